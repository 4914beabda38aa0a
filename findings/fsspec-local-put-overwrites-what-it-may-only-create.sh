#!/usr/bin/env bash
# fsspec: put_file(mode="create") overwrites an existing file on a disk, without a word.
#
# Version: fsspec 2026.9.0.
# Guess: mode="create", which put_file takes as pipe_file does, raises FileExistsError where there is a
#   file, on every file system that comes with fsspec.
# Seen: pipe_file and pipe keep the file and raise on disk and in memory, and so does put_file in memory;
#   LocalFileSystem.put_file takes the mode among its other keywords, does not look at it, and replaces
#   the content. put does the same.
# Matters: a marker or a lock that is uploaded with put_file is exclusive on S3 and in tests that use
#   memory://, and is not on a disk or a mounted bucket; of two writers both believe to be first. Write
#   such files with pipe_file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet fsspec==2026.9.0
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from pathlib import Path

import fsspec

there = Path(sys.argv[1], "there")
source = Path(sys.argv[1], "source")
source.write_bytes(b"second")


def write(call):
    try:
        call()
    except FileExistsError:
        return "refused"
    return "written"


seen = {}
for protocol, target in (("file", str(there)), ("memory", "/there")):
    fs = fsspec.filesystem(protocol)
    for name, call in (
        ("pipe_file", lambda: fs.pipe_file(target, b"second", mode="create")),
        ("put_file", lambda: fs.put_file(str(source), target, mode="create")),
        ("put", lambda: fs.put(str(source), target, mode="create")),
    ):
        fs.pipe_file(target, b"first")
        seen[protocol, name] = write(call), fs.cat_file(target).decode()
for (protocol, name), (what, content) in seen.items():
    print(f"{protocol:6} {name:9} {what}, content: {content}")
kept, replaced = ("refused", "first"), ("written", "second")
assert seen["memory", "pipe_file"] == seen["memory", "put_file"] == seen["file", "pipe_file"] == kept
assert seen["file", "put_file"] == seen["file", "put"] == replaced
PY
