#!/usr/bin/env bash
# OpenCV: the colours of an 8-bit TIFF with alpha come back multiplied by alpha, of any other file as they are.
#
# Versions: opencv-python-headless 5.0.0.93, pillow 13.0.0, tifffile 2026.3.3, numpy 2.4.2.
# Guess: imread gives the colours that a file holds; by default it drops alpha, with IMREAD_UNCHANGED it
#   returns alpha beside them. TIFF and PNG hold the same colours, so both give the same picture.
# Seen: so it is for PNG. Of 8-bit RGBA TIFFs whose alpha is tagged as unassociated (as Pillow and
#   tifffile write) each colour is multiplied by alpha / 255: 200 under an alpha of 51 is 40, under 0 it is
#   lost, also with IMREAD_UNCHANGED, where whoever uses alpha then applies it twice. The default darkens
#   16-bit ones too, IMREAD_UNCHANGED does not. Files that OpenCV wrote itself have no such tag and are read
#   as they are. (It asks libtiff's RGBA reader, which multiplies.)
# Matters: cut-out product photos and scans in TIFF get black fringes and other embeddings than their PNGs.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  opencv-python-headless==5.0.0.93 pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.2
cd "$folder"
venv/bin/python - 2>/dev/null <<'PY'
import cv2
import numpy as np
import tifffile
from PIL import Image

pixels = np.full((4, 4, 4), 200, np.uint8)
pixels[..., 3] = np.arange(0, 256, 17).reshape(4, 4)
alpha = pixels[..., 3:]
multiplied = (pixels[..., :3] * (alpha / 255)).round()
for name in ("pillow.png", "pillow.tif"):
    Image.fromarray(pixels).save(name)
    assert np.array_equal(Image.open(name), pixels)
kind = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
tifffile.imwrite("tifffile.tif", pixels, **kind)
tifffile.imwrite("tifffile16.tif", pixels * np.uint16(257), **kind)
cv2.imwrite("opencv.tif", pixels)

darkened = {}
for name in ("pillow.png", "opencv.tif", "tifffile16.tif", "pillow.tif", "tifffile.tif"):
    unchanged, colours = cv2.imread(name, cv2.IMREAD_UNCHANGED), cv2.imread(name)
    scale = 257 if unchanged.dtype == np.uint16 else 1
    print(f"{name}: colours under alpha {alpha[0, :, 0]}: {unchanged[0, :, 0] // scale}, default {colours[0, :, 0]}")
    assert np.array_equal(unchanged[..., 3:] // scale, alpha)
    darkened[name] = [
        bool(np.abs(image[..., :3] // step - multiplied).max() <= 1)
        for image, step in ((unchanged, scale), (colours, 1))
    ]
    if not darkened[name][0]:
        assert (unchanged[..., :3] == 200 * scale).all()
print(darkened)
assert darkened["pillow.tif"] == darkened["tifffile.tif"] == [True, True]
assert darkened["pillow.png"] == darkened["opencv.tif"] == [False, False]
assert darkened["tifffile16.tif"][0] is False
PY
