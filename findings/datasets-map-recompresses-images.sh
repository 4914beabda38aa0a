#!/usr/bin/env bash
# datasets: a map that only looks at the images of a Parquet file writes them back with lossy compression.
#
# Versions: datasets 5.2.0, pillow 13.0.0, numpy 2.4.2.
# Guess: `map(lambda row: {"mean": ...row["image"]...})` adds a column; the image column, which the
#   function neither returns nor changes, keeps its bytes.
# Seen: each image that the function has read is encoded anew from the decoded picture, by Pillow's
#   defaults: a JPEG of quality 95 has half its bytes and pixels that are off by dozens, a lossless WebP
#   becomes a lossy one, a JPEG with an EXIF orientation becomes an upright PNG without EXIF. Rows
#   whose image was not read keep their bytes, also within the same call. `filter` changes none.
#   (LazyRow keeps what was decoded, and encode_pil_image in datasets/features/image.py saves it.)
#   Images that are files on a disk keep their path and are safe; so is Image(decode=False).
# Matters: a pass that adds captions, hashes or embeddings degrades a data set of images, again with
#   each further pass, and hashes of the files no longer agree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet datasets==5.2.0 pillow==13.0.0 numpy==2.4.2
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/venv/bin/python" - <<'PY'
import io

import numpy as np
from datasets import Dataset, Features, Image, Value, disable_progress_bars
from PIL import Image as Pillow

disable_progress_bars()
noise = np.random.default_rng(0).normal(128, 40, (64, 64, 3)).clip(0, 255).astype(np.uint8)


def encoded(kind: str, **options) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(noise).save(file, kind, **options)
    return file.getvalue()


def pixels(image: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(image)).convert("RGB")).astype(int)


turned = Pillow.Exif()
turned[0x0112] = 6
before = {
    "jpeg": encoded("JPEG", quality=95),
    "turned": encoded("JPEG", quality=95, exif=turned),
    "webp": encoded("WEBP", lossless=True),
    "unread": encoded("JPEG", quality=95),
}
rows = Dataset.from_dict(
    {"name": list(before), "image": [{"bytes": each, "path": None} for each in before.values()]},
    features=Features({"name": Value("string"), "image": Image()}),
)


def look(row):
    return {"mean": 0.0 if row["name"] == "unread" else float(np.asarray(row["image"]).mean())}


def after(data: Dataset) -> dict[str, bytes]:
    plain = data.cast_column("image", Image(decode=False))
    return {row["name"]: row["image"]["bytes"] for row in plain}


mapped = after(rows.map(look))
off = {}
for name in ("jpeg", "webp"):
    off[name] = int(np.abs(pixels(before[name]) - pixels(mapped[name])).max())
    print(name, len(before[name]), "->", len(mapped[name]), "bytes; pixels off by up to", off[name])
    assert len(mapped[name]) < 0.7 * len(before[name]) and off[name] > 30
upright = Pillow.open(io.BytesIO(mapped["turned"]))
print("turned: JPEG ->", upright.format, "with EXIF", dict(upright.getexif()))
assert upright.format == "PNG" and not upright.getexif()
assert mapped["unread"] == before["unread"]

assert after(rows.filter(lambda row: np.asarray(row["image"]).mean() > 0)) == before
undecoded = rows.cast_column("image", Image(decode=False))
assert after(undecoded.map(lambda row: {"size": len(row["image"]["bytes"])})) == before
PY
