#!/usr/bin/env bash
# USearch: an inner-product index with 8-bit integers ranks by cosine.
#
# Versions: usearch 2.26.6, numpy 2.4.2.
# Guess: dtype="i8" quantises the values as they are, so metric="ip" still prefers longer vectors, up to
#   rounding error.
# Seen: each vector is scaled to the same length before rounding: a row read back has lost its length,
#   and exact search by "ip" returns the ten nearest by cosine, in the same order. In float32 the same
#   rows and query return a different ten, by inner product.
# Matters: maximum inner product search (logits, weighted embeddings) silently becomes cosine search;
#   unit vectors are not affected.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet usearch==2.26.6 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from usearch.index import Index

rng = np.random.default_rng(0)
directions = rng.standard_normal((100, 32)).astype(np.float32)
rows = directions * np.geomspace(0.1, 10, 100, dtype=np.float32)[:, None]
query = directions[0] + 0.1
by_product = np.argsort(-(rows @ query))[:10]
by_cosine = np.argsort(-(rows @ query) / np.linalg.norm(rows, axis=1))[:10]
assert list(by_product) != list(by_cosine)

found = {}
for dtype in ("f32", "i8"):
    index = Index(ndim=32, metric="ip", dtype=dtype)
    index.add(np.arange(100), rows)
    found[dtype] = list(index.search(query, 10, exact=True).keys)
    lengths = [np.linalg.norm(np.asarray(index.get(key), np.float32)) for key in (0, 99)]
    print(dtype, found[dtype], "lengths of the shortest and of the longest row:", lengths)

assert found["f32"] == list(by_product)
assert found["i8"] == list(by_cosine)
assert abs(lengths[0] / lengths[1] - 1) < 0.05, "i8 rows keep their lengths"
PY
