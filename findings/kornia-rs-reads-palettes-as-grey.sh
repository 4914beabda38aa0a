#!/usr/bin/env bash
# kornia-rs: a PNG with a palette is read as a grey picture of the numbers of its colours.
#
# Versions: kornia-rs 0.2.0, pillow 13.0.0, numpy 2.4.6.
# Guess: `kornia_rs.io.read_image` gives the colours of a PNG with a palette, three channels of uint8, or it
#   raises, as it does for PNG of 1 and 4 bits, PNG of grey and alpha, CMYK, GIF and BMP.
# Seen: it gives one channel that holds, for each pixel, the place of its colour in the palette. Two pictures
#   in other colours are equal if their palettes have one order, and the same picture is another one
#   after its palette is sorted otherwise. With a palette of 64 colours all values are below 64. Grey,
#   RGB, RGBA and 16-bit PNG are right. (The docstring names "8-bit, 16-bit (Mono, RGB, RGBA)" for PNG;
#   a palette is none of them and is taken for the first.)
# Matters: icons, diagrams, screenshots and optimised PNG have palettes; code that repeats a grey channel
#   three times, as loaders do, embeds noise for them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet kornia-rs==0.2.0 pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import numpy as np
from kornia_rs import io
from PIL import Image

folder = sys.argv[1]
random = np.random.default_rng(0)
places = random.integers(0, 64, (32, 48), dtype=np.uint8)


def read(image: Image.Image) -> np.ndarray:
    image.save(f"{folder}/picture.png")
    return np.asarray(io.read_image(f"{folder}/picture.png"))


for _ in range(2):
    colours = random.integers(0, 256, (64, 3), dtype=np.uint8)
    image = Image.frombytes("P", (48, 32), places.tobytes())
    image.putpalette(colours.tobytes())
    plain = image.convert("RGB")
    assert np.array_equal(np.asarray(plain), colours[places])
    assert np.array_equal(read(plain), colours[places])
    grey = plain.convert("L")
    assert np.array_equal(read(grey)[..., 0], np.asarray(grey))
    found = read(image)
    off = np.abs(found[..., 0] - np.asarray(grey).astype(float)).mean()
    print(f"shape {found.shape}, values {found.min()} to {found.max()}, {off:.0f} levels from its grey")
    assert found.dtype == np.uint8 and found.shape == (32, 48, 1)
    assert np.array_equal(found[..., 0], places)
PY
