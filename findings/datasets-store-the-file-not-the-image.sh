#!/usr/bin/env bash
# datasets: an image that was changed in memory is stored as the unchanged file that it was opened from.
#
# Versions: datasets 5.2.0, pillow 13.0.0, numpy 2.4.2.
# Guess: writing a Pillow image writes its pixels: a photo of 800 x 600 that `thumbnail((100, 100))`
#   has shrunk is stored with 100 x 75, wherever it was opened.
# Seen: the path of the file of 800 x 600 is stored, and no bytes; so in `from_dict`, and in `map` over
#   images that are files. `thumbnail`, `putpixel`, `paste` and `exif_transpose(in_place=True)` work
#   in place, so the object keeps its `filename`, and a writer that finds one takes the image for
#   unchanged (encode_pil_image in features/image.py). `resize`, `rotate`, `convert` and `copy` return
#   images without one and are safe. LitData 0.2.76 (JPEGSerializer) and MosaicML Streaming 0.13.0
#   ("jpeg") read the file again in the same way; they were tried by hand and need torch.
# Matters: a pass that shrinks images, blacks out faces or turns them upright in place stores the
#   originals: a hundred times the bytes, and the faces.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet datasets==5.2.0 pillow==13.0.0 numpy==2.4.2
cd "$folder"
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/venv/bin/python" - <<'PY'
import numpy as np
from datasets import Dataset, Features, Image, disable_progress_bars
from PIL import Image as Pillow

disable_progress_bars()
pixels = np.random.default_rng(0).integers(100, 255, (600, 800, 3), dtype=np.uint8)
Pillow.fromarray(pixels).save("photo.jpg", quality=90)
features = Features({"image": Image()})


def shrunken() -> Pillow.Image:
    image = Pillow.open("photo.jpg")
    image.thumbnail((100, 100))
    return image


def blacked_out(row):
    row["image"].paste((0, 0, 0), (0, 0, 400, 600))
    assert max(row["image"].getpixel((10, 10))) == 0
    return row


def stored(image: Pillow.Image) -> Pillow.Image:
    return Dataset.from_dict({"image": [image]}, features=features)[0]["image"]


print("shrunken:", shrunken().size, "stored:", stored(shrunken()).size)
assert shrunken().size == (100, 75) and stored(shrunken()).size == (800, 600)
assert stored(shrunken().copy()).size == (100, 75)
rows = Dataset.from_dict({"image": ["photo.jpg"]}, features=features).map(blacked_out)
print("blacked out, stored:", rows[0]["image"].getpixel((10, 10)))
assert min(rows[0]["image"].getpixel((10, 10))) > 50
PY
