#!/usr/bin/env bash
# datasets: of a WebDataset, fields that the first five samples lack are dropped, and later fractions are cut off.
#
# Versions: datasets 5.2.0, webdataset 1.0.2, pyarrow 26.0.0, numpy 2.4.2.
# Guess: load_dataset("webdataset") gives what is in the tar files, null where a sample lacks a field, or
#   raises where a later sample does not fit the columns it chose.
# Seen: the columns and their types are those of the first five samples of the first file. A caption that
#   starts with sample 5 is in no row, nor is the label of a second file; with the two files in the other
#   order it is there. A score that is 0 or 1 in the first five samples is a whole number from then on: 0.75
#   is loaded as 0. No error and no warning, streamed or not. The library webdataset gives all of it.
#   (Value.encode_example calls int(); fields that are no column are never looked at.)
# Matters: optional captions, alternative texts and scores are what image datasets have, and the order in
#   which files happen to be listed decides what is trained on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  datasets==5.2.0 webdataset==1.0.2 pyarrow==26.0.0 numpy==2.4.2
cd "$folder"
HF_HOME="$folder/cache" HF_DATASETS_OFFLINE=1 HF_DATASETS_DISABLE_PROGRESS_BARS=1 venv/bin/python - <<'PY'
import io
import json
import tarfile

import webdataset
from datasets import load_dataset


def write(path, samples):
    with tarfile.open(path, "w") as archive:
        for number, fields in samples:
            for extension, text in fields.items():
                entry = tarfile.TarInfo(f"{number:04}.{extension}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))


def load(files, streaming):
    return list(load_dataset("webdataset", data_files={"train": files}, split="train", streaming=streaming))


def score(number):
    return number % 2 if number < 5 else 0.75


write(
    "first.tar",
    [
        (number, {"json": json.dumps({"score": score(number)})} | ({"txt": "a dog"} if number >= 5 else {}))
        for number in range(10)
    ],
)
write("second.tar", [(number, {"json": '{"score": 0.5}', "cls": "7"}) for number in range(10, 20)])

for streaming in (False, True):
    rows = load(["first.tar"], streaming)
    captions = sum(row.get("txt") is not None for row in rows)
    scores = [row["json"]["score"] for row in rows]
    print(f"streaming={streaming}: {captions} captions, scores {scores}")
    assert captions == 0 and scores == [0, 1, 0, 1, 0, 0, 0, 0, 0, 0]
    labels = [
        sum(row.get("cls") is not None for row in load(files, streaming))
        for files in (["first.tar", "second.tar"], ["second.tar", "first.tar"])
    ]
    print(f"  labels of both files: {labels[0]}, in the other order {labels[1]}")
    assert labels == [0, 10]

samples = list(webdataset.WebDataset("first.tar", shardshuffle=False).decode())
captions = sum("txt" in sample for sample in samples)
scores = [sample["json"]["score"] for sample in samples]
print(f"webdataset: {captions} captions, scores {scores}")
assert captions == 5 and scores == [score(number) for number in range(10)]
PY
