#!/usr/bin/env bash
# USearch: a batch of queries that finds fewer than k rows is padded with key 0, a valid key.
#
# Versions: usearch 2.26.6, numpy 2.4.2.
# Guess: as in FAISS, empty slots hold a key that no row has (-1), or an infinite distance.
# Seen: a single query returns only the rows it found. A batch of two returns k keys for each; the slots
#   after the last hit hold key 0, which belongs to a row, and distance NaN. Only `counts` tells them
#   apart.
# Matters: code that reads `keys` alone, as most does, sees row 0 five times for every query.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet usearch==2.26.6 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from usearch.index import Index

rows = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
index = Index(ndim=64, metric="cos", dtype="f32")
index.add(np.arange(5), rows)
one = index.search(rows[0], 10)
many = index.search(rows[1:3], 10)
print("one query:", one.keys)
print("two queries:", many.keys[0], many.distances[0], "counts:", many.counts)
assert len(one.keys) == 5
assert many.keys.shape == (2, 10) and list(many.counts) == [5, 5]
assert (many.keys[:, 5:] == 0).all() and np.isnan(many.distances[:, 5:]).all()
PY
