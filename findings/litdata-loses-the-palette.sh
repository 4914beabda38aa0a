#!/usr/bin/env bash
# LitData: an image with a palette (GIF, many PNG) comes back from a dataset in other colours.
#
# Versions: litdata 0.2.76, torch 2.14.1, torchvision 0.29.1, pillow 13.0.0, numpy 2.4.2.
# Guess: `optimize` stores a Pillow image so that the StreamingDataset returns it as it was; of a format that
#   it cannot hold it says so.
# Seen: PILSerializer (streaming/serializers.py) writes the mode, the size and the raw bytes, which in mode "P"
#   are indices into the palette, and not the palette. What comes back has mode "P" and Pillow's
#   default, a ramp of grey: the colours are off by 100 levels of 255 and more on average. Modes RGB, RGBA, L,
#   LA, CMYK and 16-bit come back whole. Mosaic Streaming 0.13.0 does the same with its "pil"
#   encoding and not with "png" (tried by hand).
# Matters: palettes are what PNG optimisers and all GIF files use; the picture keeps its shapes, so that
#   nothing fails, and a model is trained, or an index built, on noise for a part of the images.
#   Converting to RGB first avoids it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  litdata==0.2.76 torch==2.14.1 torchvision==0.29.1 pillow==13.0.0 numpy==2.4.2
cd "$folder"
cat >palettes.py <<'PY'
import io

import litdata
import numpy as np
from PIL import Image


def sample(seed):
    """A picture as PNG with a palette (even seeds) or with three channels, and its pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    picture = Image.fromarray(noise).resize((48, 48))
    file = io.BytesIO()
    (picture if seed % 2 else picture.quantize(64)).save(file, "PNG")
    image = Image.open(io.BytesIO(file.getvalue()))
    return {"seed": seed, "image": image, "pixels": np.asarray(image.convert("RGB"))}


if __name__ == "__main__":
    litdata.optimize(sample, list(range(4)), "data", num_workers=1, chunk_bytes="1MB")
    for row in litdata.StreamingDataset("data"):
        image = row["image"]
        pixels = np.asarray(image.convert("RGB"), float)
        difference = np.abs(pixels - row["pixels"]).mean()
        print(f"mode {image.mode}: off by {difference:.0f} levels on average")
        if row["seed"] % 2:
            assert image.mode == "RGB" and difference == 0
        else:
            assert image.mode == "P" and difference > 60
            assert (pixels == pixels[..., :1]).all(), "grey"
PY
PYTHONWARNINGS=ignore venv/bin/python palettes.py 2>/dev/null | grep mode
