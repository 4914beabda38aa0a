#!/usr/bin/env bash
# datasets: a folder of images is loaded without its AVIF files, and nothing says so.
#
# Versions: datasets 5.0.1, pillow 13.0.0.
# Guess: `imagefolder` takes every file that the installed Pillow opens, or names those that it leaves.
# Seen: its extensions are a fixed list. Of a folder with a JPEG, a WebP and an AVIF file the AVIF file
#   is missing, eager and streamed, at the default log level without a word, although Pillow 13 decodes
#   it. With a metadata.csv that names the file, the same folder is loaded whole.
# Matters: phones and sites write AVIF; vectors of such a folder are fewer than its images.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet datasets==5.0.1 pillow==13.0.0
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/venv/bin/python" - "$folder" <<'PY'
import contextlib
import io
import logging
import sys
from pathlib import Path

from datasets import Image, disable_progress_bars, load_dataset
from PIL import Image as Pillow

disable_progress_bars()
images = Path(sys.argv[1], "images")
images.mkdir()
for name in ("one.jpg", "three.webp", "two.avif"):
    Pillow.new("RGB", (32, 32), (200, 30, 30)).save(images / name)
    assert Pillow.open(images / name).convert("RGB").size == (32, 32)


def loaded(streaming: bool, key: str = "") -> list[str]:
    found = load_dataset(
        "imagefolder",
        data_dir=str(images),
        split="train",
        streaming=streaming,
        cache_dir=f"{sys.argv[1]}/cache{key}",
    )
    rows = found.cast_column("image", Image(decode=False))
    return sorted(Path(row["image"]["path"]).name for row in rows)


said = io.StringIO()
logging.getLogger().addHandler(logging.StreamHandler(said))
with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
    eager, streamed = loaded(False), loaded(True)
print("eager:", eager, "streamed:", streamed)
assert eager == streamed == ["one.jpg", "three.webp"]
assert "avif" not in said.getvalue().lower(), said.getvalue()

lines = ["file_name,caption", "one.jpg,a", "three.webp,b", "two.avif,c"]
(images / "metadata.csv").write_text("\n".join(lines) + "\n")
named = loaded(False, "-named")
print("named in metadata.csv:", named)
assert named == ["one.jpg", "three.webp", "two.avif"]
PY
