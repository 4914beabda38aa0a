#!/usr/bin/env bash
# libvips (pyvips, sharp): an enlarged picture is shifted by half a pixel to the right and down.
#
# Versions: pyvips 3.2.0 with pyvips-binary 8.18.7, sharp 0.35.5 (libvips 8.18.7), pillow 13.0.0, numpy 2.4.2.
# Guess: `resize`, `thumbnail` and sharp's resize keep a picture's centre where it is, enlarging as well as
#   shrinking; the mirror image of a resized picture is the resized mirror image.
# Seen: shrinking does so. By any factor above 1 (kernels linear, cubic, mitchell, lanczos) each pixel shows
#   what belongs half a pixel further to the left and above. A step from 0 to 200 enlarged
#   twice becomes 0 0 100 200 in place of 0 50 150 200, the mirrored step 200 100 0 0. "nearest" is right by
#   2. (vips_resize_build in resample/resize.c gives vips_affine idx = idy = 0.5 "for centre
#   sampling", without the half pixel of the output that belongs to it.)
# Known: closed as a question in issue 4841 of libvips (January 2026); issue 943 says that it is on purpose.
# Matters: of pictures smaller than a model's input, sharp and Pillow make different ones: noise of 40
#   pixels differs by 28 of 255 levels. Masks and boxes that are scaled by numbers lie beside the picture.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet \
  'pyvips[binary]==3.2.0' pyvips-binary==8.18.7 pillow==13.0.0 numpy==2.4.2
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts sharp@0.35.5 >npm.log
cat >resize.mjs <<'JS'
import { readFileSync, writeFileSync } from "node:fs";
import sharp from "sharp";

const raw = { width: 40, height: 40, channels: 3 };
const picture = sharp(readFileSync("noise"), { raw });
writeFileSync("sharp", await picture.resize(80, 80, { kernel: "cubic" }).raw().toBuffer());
JS
cat >resize.py <<'PY'
import subprocess

import numpy as np
import pyvips
from PIL import Image


def vips(pixels, factor, kernel):
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    return image.resize(factor, kernel=kernel).numpy().astype(float)


step = np.repeat(np.array([[0, 0, 0, 200, 200, 200]], np.uint8), 6, axis=0)
print("libvips:", vips(step, 2, "linear")[6].astype(int))
print("mirror: ", vips(step[:, ::-1], 2, "linear")[6].astype(int))
print("Pillow: ", np.asarray(Image.fromarray(step).resize((12, 12), Image.Resampling.BILINEAR))[6])
assert vips(step, 2, "linear")[6, 4:8].tolist() == [0, 0, 100, 200]
assert vips(step[:, ::-1], 2, "linear")[6, 4:8].tolist() == [200, 200, 100, 0]

ramp = np.tile(np.arange(40, dtype=np.float32), (40, 1))
for factor in (0.5, 1.25, 2, 5.6):
    enlarged = vips(ramp, factor, "cubic")[10]
    true = (np.arange(len(enlarged)) + 0.5) / factor - 0.5
    shift = -np.mean(enlarged - true, where=np.abs(true - 20) < 10) * factor
    print(f"factor {factor}: shifted by {shift:.2f} pixels of the result")
    assert abs(shift - (0.5 if factor > 1 else 0)) < 0.01

noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
noise.tofile("noise")
subprocess.run(["node", "resize.mjs"], check=True)
node = np.fromfile("sharp", np.uint8).reshape(80, 80, 3)
pillow = Image.fromarray(noise).resize((80, 80), Image.Resampling.BICUBIC)
difference = np.abs(node - np.asarray(pillow, float)).mean()
print(f"sharp and Pillow, enlarged noise: {difference:.1f} levels apart on average")
assert np.abs(node - vips(noise, 2, "cubic")).max() <= 1 and difference > 20
PY
venv/bin/python resize.py
