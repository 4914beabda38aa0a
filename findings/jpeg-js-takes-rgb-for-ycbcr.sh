#!/usr/bin/env bash
# jpeg-js (jimp, image-js): a JPEG that is stored as RGB is read as if it were YCbCr, in other colours.
#
# Versions: jpeg-js 0.4.4, jimp 1.6.1, image-js 1.7.0 (npm), sharp 0.35.5, pillow 13.0.0, numpy 2.4.2.
# Guess: a decoder asks Adobe's marker in the file, which says 0 for RGB and 1 for YCbCr, as libjpeg does.
# Seen: jpeg-js looks at the marker only where it says "transform"; a 0 counts as no marker, and three
#   components are then turned from YCbCr. A ramp comes out 65 of 255 levels away on average, without an
#   error; sharp and Pillow are exact. Its option colorTransform: false reads such files, and no others;
#   jimp and image-js do not set it.
# Matters: Pillow writes such files with keep_rgb=True, libjpeg's cjpeg with -rgb, and scanners and
#   microscopes do: the pictures' colours, hashes and embeddings in Node are of another picture.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pillow==13.0.0 numpy==2.4.2
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts \
  jpeg-js@0.4.4 jimp@1.6.1 image-js@1.7.0 sharp@0.35.5 >npm.log
venv/bin/python - <<'PY'
import numpy as np
from PIL import Image

y, x = np.mgrid[:64, :96]
pixels = np.stack([x * 2, y * 3, (x + y) * 1.5], -1).astype(np.uint8)
pixels.tofile("pixels")
Image.fromarray(pixels).save("ycbcr.jpg", quality=100, subsampling=0)
Image.fromarray(pixels).save("rgb.jpg", quality=100, subsampling=0, keep_rgb=True)
for name in ("ycbcr.jpg", "rgb.jpg"):
    assert np.abs(np.asarray(Image.open(name), int) - pixels).max() <= 4
PY
cat >read.mjs <<'JS'
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { decode } from "image-js";
import { Jimp } from "jimp";
import jpeg from "jpeg-js";
import sharp from "sharp";

const pixels = readFileSync("pixels");
const readers = {
  sharp: (file) => sharp(file).ensureAlpha().raw().toBuffer(),
  "jpeg-js": (file) => jpeg.decode(file).data,
  "jpeg-js, colorTransform: false": (file) => jpeg.decode(file, { colorTransform: false }).data,
  jimp: async (file) => (await Jimp.read(file)).bitmap.data,
  "image-js": (file) => decode(file).getRawImage().data,
};
const off = {};
for (const [reader, read] of Object.entries(readers)) {
  for (const name of ["ycbcr.jpg", "rgb.jpg"]) {
    const data = await read(readFileSync(name));
    const differences = Array.from(pixels, (value, i) => Math.abs(value - data[Math.floor(i / 3) * 4 + (i % 3)]));
    off[`${reader} ${name}`] = differences.reduce((sum, value) => sum + value) / pixels.length;
    console.log(`${reader}, ${name}: ${off[`${reader} ${name}`].toFixed(1)} levels off`);
  }
}
for (const reader of ["jpeg-js", "jimp", "image-js"]) {
  assert.ok(off[`${reader} ycbcr.jpg`] < 2 && off[`${reader} rgb.jpg`] > 40);
}
assert.ok(off["sharp ycbcr.jpg"] < 2 && off["sharp rgb.jpg"] < 2);
assert.ok(off["jpeg-js, colorTransform: false rgb.jpg"] < 2 && off["jpeg-js, colorTransform: false ycbcr.jpg"] > 40);
JS
node read.mjs
