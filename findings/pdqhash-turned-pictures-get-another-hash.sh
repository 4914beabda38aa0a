#!/usr/bin/env bash
# pdqhash: the hash of a picture that np.rot90 or a transpose has turned is not that of the turned picture.
#
# Versions: pdqhash 0.2.8, numpy 2.4.2, pillow 13.0.0.
# Guess: compute hashes the pixels that an array shows, wherever they lie in memory: views that are
#   mirrored, cropped, thinned out, or turned, and copies of them, have the same hash.
# Seen: so it is for views whose rows lie one after another in memory, also mirrored, cropped, thinned out,
#   or permuted from CHW. If columns do (np.rot90 by 90 or 270 degrees, a transpose, Fortran order), about
#   half of the 256 bits differ from the hash of the view's copy, as of two pictures that have nothing
#   in common, at quality 100. compute_dihedral and compute_float are wrong alike. No error.
# Matters: np.rot90 is how photos are set upright by Exif: such duplicates are not found, or half of them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pdqhash==0.2.8 numpy==2.4.2 pillow==13.0.0
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import pdqhash
from PIL import Image

noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
picture = np.asarray(Image.fromarray(noise).resize((400, 300), Image.Resampling.BICUBIC))
planes = np.ascontiguousarray(picture.transpose(2, 0, 1))
views = {
    "mirrored": picture[:, ::-1],
    "cropped": picture[20:280, 30:370],
    "thinned out": picture[::2, ::2],
    "CHW as HWC": planes.transpose(1, 2, 0),
    "rot90 by 180": np.rot90(picture, 2),
    "rot90 by 90": np.rot90(picture),
    "rot90 by 270": np.rot90(picture, 3),
    "transposed": picture.transpose(1, 0, 2),
    "Fortran order": np.asfortranarray(picture),
}
for name, view in views.items():
    copy = np.ascontiguousarray(view)
    bits, quality = pdqhash.compute(view)
    different = np.count_nonzero(bits != pdqhash.compute(copy)[0])
    dihedral = np.count_nonzero(pdqhash.compute_dihedral(view)[0][0] != pdqhash.compute_dihedral(copy)[0][0])
    floats = np.allclose(pdqhash.compute_float(view)[0], pdqhash.compute_float(copy)[0])
    print(f"{name}: {different} of 256 bits differ from the hash of its copy, quality {quality}")
    assert quality == 100 and np.array_equal(view, copy)
    columns_first = name in ("rot90 by 90", "rot90 by 270", "transposed", "Fortran order")
    assert (100 < different < 156 and dihedral > 100 and not floats) if columns_first else (different == dihedral == 0)
PY
