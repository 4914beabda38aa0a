#!/usr/bin/env bash
# image-js: a BMP with a palette is read as grey numbers, a black-and-white PNG as another picture.
#
# Version: image-js 1.7.0 (npm; fast-bmp 4.0.1, fast-png 8.0.0), sharp 0.35.5, pillow 13.0.0, numpy 2.4.2.
# Guess: decode gives the picture's colours, or refuses what it does not know, as it does 2- and 4-bit PNGs.
# Seen: of a BMP with a palette the numbers of the colours come back as levels of grey: a red picture whose
#   one colour is number 0 is black. PNGs with palettes are right. A 1-bit PNG is right up to a width of
#   7 pixels. Wider ones shear: of each row the first byte is cut short where the last one should be; if the
#   width can be divided by 8, all of it is left out, and the last rows are black. No errors.
# Matters: scans, masks and drawings are such files; of pages of noise nearly half of the pixels are wrong.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pillow==13.0.0 numpy==2.4.2
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts \
  image-js@1.7.0 fast-bmp@4.0.1 fast-png@8.0.0 sharp@0.35.5 >npm.log
venv/bin/python - <<'PY'
import numpy as np
from PIL import Image

red = Image.new("RGB", (13, 8), (255, 0, 0)).quantize(2)
red.save("palette.bmp")
red.save("palette.png")
for width in (5, 7, 8, 13, 16, 200):
    bits = np.random.default_rng(0).random((100, width)) < 0.5
    Image.fromarray(bits).save(f"bits{width}.png")
PY
cat >read.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { decode } from "image-js";
import sharp from "sharp";

for (const name of ["palette.png", "palette.bmp"]) {
  const image = decode(readFileSync(name));
  const levels = [...image.getRawImage().data.slice(0, image.channels)];
  console.log(`${name}, all red: ${image.colorModel} ${levels}`);
  if (name === "palette.png") assert.deepEqual(levels.slice(0, 3), [255, 0, 0]);
  else assert.ok(image.colorModel === "GREY" && levels[0] < 2);
}
for (const width of [5, 7, 8, 13, 16, 200]) {
  const file = readFileSync(`bits${width}.png`);
  const seen = decode(file).getRawImage().data;
  const real = await sharp(file).extractChannel(0).raw().toBuffer();
  const wrong = real.filter((level, i) => level !== seen[i]).length / real.length;
  console.log(`1-bit PNG of width ${width}: ${(100 * wrong).toFixed(0)} % of its pixels wrong`);
  assert.equal(seen.length, real.length);
  assert.ok(width < 8 ? wrong === 0 : wrong > 0.25);
}
JS
node read.mjs
