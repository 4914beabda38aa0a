#!/usr/bin/env bash
# Voyager: with 8-bit storage a row is not at distance 0 from itself, and cosine distances go below 0.
#
# Versions: voyager 2.2.3, numpy 2.4.2.
# Guess: rounding costs precision, but a row's distance to its own vector stays 0 to within 1e-3, and
#   cosine distances lie between 0 and 2.
# Seen: vectors are normalised first and rounded afterwards, so they no longer have unit length, and the
#   distance is 1 minus the plain dot product: a row of dimension 32 is at 0.02 to 0.05 from itself with
#   Float8, and at -0.04 to 0.04 with E4M3. The nearest row is right with all three.
# Matters: a threshold such as "distance < 0.01 is a duplicate" misses exact copies.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet voyager==2.2.3 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import voyager

rows = np.random.default_rng(0).standard_normal((100, 32)).astype(np.float32)
own = {}
for name in ("Float32", "Float8", "E4M3"):
    storage = getattr(voyager.StorageDataType, name)
    index = voyager.Index(voyager.Space.Cosine, 32, storage_data_type=storage)
    index.add_items(rows)
    ids, distances = index.query(rows, 1)
    assert list(ids[:, 0]) == list(range(100))
    own[name] = distances[:, 0]
    print(f"{name}: a row's distance to itself is {own[name].min():.4f} to {own[name].max():.4f}")
assert np.abs(own["Float32"]).max() < 1e-5
assert own["Float8"].min() > 0.01
assert own["E4M3"].min() < -0.005
PY
