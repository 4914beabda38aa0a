#!/usr/bin/env bash
# NGT: a vector read back from a half-precision index is not that vector.
#
# Versions: ngt 2.8.0.post1, numpy 2.4.2.
# Guess: `get_object(id)` of an index with object_type="Float16" returns the stored vector, rounded to
#   half precision. Searches in the same index are right to three digits.
# Seen: its memory is read as 32-bit floats: each of the first D/2 numbers is two neighbouring halves
#   taken for one float, and the other D/2 are whatever lies behind the vector. With object_type="Float"
#   it is exact.
# Matters: whoever re-ranks, exports or checks an index by the vectors that it gives back has noise of
#   the right shape and dtype, without an error.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet ngt==2.8.0.post1 numpy==2.4.2
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import ngtpy
import numpy as np

random = np.random.default_rng(0)
vectors = random.normal(size=(500, 32)).astype(np.float32)
for dtype in ("Float", "Float16"):
    path = f"{sys.argv[1]}/{dtype}"
    ngtpy.create(path, 32, distance_type="L2", object_type=dtype)
    index = ngtpy.Index(path)
    index.batch_insert(vectors)
    found = [index.search(vector, 1)[0][0] for vector in vectors[:100]]
    assert np.mean(np.equal(found, range(100))) > 0.9
    back = np.asarray(index.get_object(3), dtype=np.float32)
    right = np.allclose(back, vectors[3], rtol=1e-2, atol=1e-2)
    print(dtype, "read back as it was:", right)
    assert back.shape == (32,) and right == (dtype == "Float")
halves = back[:16].view(np.float16)
print("first 16 floats as 32 halves:", np.abs(halves - vectors[3]).max(), "off")
assert np.allclose(halves, vectors[3], rtol=1e-2, atol=1e-2)
PY
