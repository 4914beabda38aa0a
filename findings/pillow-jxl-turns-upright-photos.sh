#!/usr/bin/env bash
# pillow-jxl-plugin: exif_transpose turns a JPEG XL photo that is upright already, and saved ones lie on their side.
#
# Versions: pillow-jxl-plugin 1.3.8, pillow 13.0.0, imagecodecs 2026.3.6, numpy 2.4.6.
# Guess: a JPEG XL file has its orientation in the header of its codestream, and decoders pay no attention to the
#   one in its Exif; the plugin therefore gives pixels that exif_transpose leaves alone, and writes files that
#   other decoders show upright. pillow-heif does both.
# Seen: opening applies the header's orientation and hands on Exif with the tag 6 still in it, so
#   `exif_transpose`, as every loader calls it, turns the upright photo by 90 degrees. The other way, saving a
#   photo with tag 6 as pixels (opened from memory, or lossless_jpeg=False) leaves the header at 1
#   and the tag in Exif: Pillow shows it upright after exif_transpose, libjxl (imagecodecs) on its
#   side. Only JPEGs that are opened by path, and kept as JPEG within JPEG XL, agree everywhere.
#   The photo with header and Exif is made here from such a file, without the data to restore the JPEG.
# Matters: embeddings, crops and boxes of the one kind are of pictures on their side, in Pillow; of the
#   other, everywhere else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  pillow-jxl-plugin==1.3.8 pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'PY'
import io
import struct

import imagecodecs
import numpy as np
import pillow_jxl  # noqa: F401  (registers the format)
from PIL import Image, ImageOps

y, x = np.mgrid[0:64, 0:96]
exif = Image.Exif()
exif[0x0112] = 6
pixels = np.stack([x * 2, y * 3, x + y], -1).astype(np.uint8)
Image.fromarray(pixels).save("photo.jpg", exif=exif, quality=95)
upright = np.asarray(ImageOps.exif_transpose(Image.open("photo.jpg"))).astype(int)
assert upright.shape == (96, 64, 3)


def shows_upright(picture: np.ndarray) -> bool:
    return picture.shape == upright.shape and abs(picture - upright).mean() < 5


def by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))


def without_jpeg(data: bytes) -> bytes:
    """Drop the box that restores the JPEG; write Exif uncompressed."""
    boxes, at = b"", 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        size = size or len(data) - at
        content = data[at + 8 : at + size]
        if kind == b"brob":
            kind, content = content[:4], imagecodecs.brotli_decode(content[4:])
        if kind != b"jbrd":
            boxes += struct.pack(">I4s", len(content) + 8, kind) + content
        at += size
    return boxes


def saved(photo: Image.Image, **options: bool) -> bytes:
    buffer = io.BytesIO()
    photo.save(buffer, "JXL", **options)
    return buffer.getvalue()


kept = saved(Image.open("photo.jpg"), lossless_jpeg=True)
files = {
    "JPEG within JPEG XL": kept,
    "header and Exif": without_jpeg(kept),
    "saved as pixels": saved(Image.open("photo.jpg"), lossless_jpeg=False),
}
found = {}
for name, data in files.items():
    found[name] = (shows_upright(by_pillow(data)), shows_upright(imagecodecs.jpegxl_decode(data)))
    print(f"{name}: upright in Pillow {found[name][0]}, by libjxl {found[name][1]}")
assert found["JPEG within JPEG XL"] == (True, True)
assert found["header and Exif"] == (False, True)
assert shows_upright(np.asarray(Image.open(io.BytesIO(files["header and Exif"]))))
assert found["saved as pixels"] == (True, False)
PY
