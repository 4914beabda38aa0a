#!/usr/bin/env bash
# transformers.js: in Node the CLIP and SigLIP processors pick pixels where Pillow averages them.
#
# Versions: @huggingface/transformers 4.3.2 (sharp 0.35), pillow 13.0.0, numpy 2.4.2.
# Guess: with the same configuration (resample 3, bicubic; resample 2, bilinear) the processors give the
#   pixels of the Python processors up to rounding; the source says of its way of resizing "This matches
#   how the python Pillow library does it" (src/utils/image.js).
# Seen: it uses sharp's affine transform, whose interpolators look at a few pixels of the source whatever
#   the scale. Of stripes one pixel wide, halved in size, Pillow makes grey, 109 to 146; transformers.js
#   makes a white picture, and a black one if the stripes are moved by one pixel. Only resample 1
#   (Lanczos), which goes through sharp's resize, averages. A photo of 512 pixels is off by 5 levels on
#   average, and by 50 for one value in a hundred.
# Matters: text queries and images that are embedded in Node are compared with an index made in Python;
#   fabric, print, foliage and grids become other patterns. Issue 595 of transformers.js sees other
#   embeddings for one image without naming the cause.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pillow==13.0.0 numpy==2.4.2
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts @huggingface/transformers@4.3.2 >npm.log
cat >resize.mjs <<'JS'
import { readFileSync, writeFileSync } from "node:fs";
import { CLIPImageProcessor, RawImage, SiglipImageProcessor } from "@huggingface/transformers";

const plain = { do_resize: true, do_rescale: false, do_normalize: false };
const crop = { do_center_crop: true, crop_size: { height: 224, width: 224 } };
const processors = {
  clip: new CLIPImageProcessor({ ...plain, ...crop, size: { shortest_edge: 224 }, resample: 3 }),
  siglip: new SiglipImageProcessor({ ...plain, size: { height: 224, width: 224 }, resample: 2 }),
  lanczos: new SiglipImageProcessor({ ...plain, size: { height: 224, width: 224 }, resample: 1 }),
};
for (const name of ["stripes", "moved"]) {
  for (const [kind, processor] of Object.entries(processors)) {
    const image = new RawImage(new Uint8ClampedArray(readFileSync(name)), 448, 448, 3);
    const { pixel_values } = await processor(image);
    writeFileSync(`${name}.${kind}`, Buffer.from(Uint8Array.from(pixel_values.data)));
  }
}
JS
cat >stripes.py <<'PY'
import subprocess

import numpy as np
from PIL import Image

stripes = np.zeros((448, 448, 3), np.uint8)
stripes[:, ::2] = 255
pictures = {"stripes": stripes, "moved": np.roll(stripes, 1, axis=1)}
for name, pixels in pictures.items():
    pixels.tofile(name)
subprocess.run(["node", "resize.mjs"], check=True)

filters = {"clip": Image.Resampling.BICUBIC, "siglip": Image.Resampling.BILINEAR}
for name, pixels in pictures.items():
    for kind in ("clip", "siglip", "lanczos"):
        node = np.fromfile(f"{name}.{kind}", np.uint8)
        resample = filters.get(kind, Image.Resampling.LANCZOS)
        pillow = np.asarray(Image.fromarray(pixels).resize((224, 224), resample))
        print(
            f"{name}, {kind}: transformers.js {node.min()} to {node.max()},"
            f" Pillow {pillow.min()} to {pillow.max()}"
        )
        assert node.size == pillow.size and 100 < pillow.min() <= pillow.max() < 155
        if kind == "lanczos":
            assert 100 < node.min() <= node.max() < 155
        else:
            assert (node == (255 if name == "stripes" else 0)).all()
PY
venv/bin/python stripes.py
