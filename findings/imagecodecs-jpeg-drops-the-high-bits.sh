#!/usr/bin/env bash
# imagecodecs: jpeg_encode takes a 16-bit picture and keeps the lowest 12 bits of each number.
#
# Versions: imagecodecs 2026.3.6, numpy 2.4.6.
# Guess: `jpeg_encode` of an array of uint16 raises where JPEG cannot hold its numbers, or scales or clips
#   them; avif_encode raises ("Unsupported depth"), and png, jpegxl, jpeg2k, jpegls and jpegxr keep all 16 bits.
# Seen: uint16 means 12 bits without lossless=True, and nothing looks whether they suffice. RGB keeps the
#   remainder by 4,096: a plain picture of 5,000 is one of 904 after decoding, a slope of 16-bit numbers
#   becomes sixteen stripes. Grey is clipped, 5,000 to 4,095, but white, 65,535, becomes black, 0; grey with
#   steep edges raises ("DCT coefficient ... out of range"). Up to 4,095 and with lossless=True all is right.
# Matters: the array that comes back has the shape and dtype of the one that went in; 16-bit PNG and TIFF of
#   cameras, scanners and microscopes use all 16 bits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet imagecodecs==2026.3.6 numpy==2.4.6
"$folder/venv/bin/python" - <<'PY'
import imagecodecs
import numpy as np


def keep(image: np.ndarray, **options: bool) -> np.ndarray:
    decoded = imagecodecs.jpeg_decode(imagecodecs.jpeg_encode(image, **options))
    assert decoded.dtype == image.dtype and decoded.shape == image.shape
    return decoded


for value in (100, 4095, 5000, 40000, 65535):
    seen = {}
    for name, shape in (("RGB", (32, 32, 3)), ("grey", (32, 32))):
        image = np.full(shape, value, np.uint16)
        assert (keep(image, lossless=True) == image).all()
        (seen[name],) = np.unique(keep(image)).tolist()
    print(f"{value}: RGB {seen['RGB']}, grey {seen['grey']}")
    assert seen["RGB"] == value % 4096
    assert seen["grey"] == (0 if value == 65535 else min(value, 4095))

slope = np.empty((512, 32, 3), np.uint16)
slope[:] = np.linspace(0, 65535, 512).astype(np.uint16)[:, None, None]
decoded = keep(slope)
falls = int((np.diff(decoded[:, 0, 0].astype(int)) < -2000).sum())
print(f"a slope from 0 to 65,535 reaches {decoded.max()} and falls back {falls} times")
assert decoded.max() <= 4095 and falls > 10
assert np.array_equal(imagecodecs.png_decode(imagecodecs.png_encode(slope)), slope)
assert np.abs(keep(slope // 16).astype(int) - slope // 16).max() < 100
PY
