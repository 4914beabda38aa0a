#!/usr/bin/env bash
# DiskANN: with metric="cosine" distances are one minus the cosine times the length of the query.
#
# Versions: diskannpy 0.7.0, numpy 1.25.0.
# Guess: distances are one minus the cosine, 0 for the same direction and at most 2, whatever the lengths.
# Seen: the rows are normalised and the query is not. A unit query has right distances; one ten times as
#   long has the same ids and a distance of -6.1 where 0.29 is right. In-memory indexes, static and
#   dynamic.
# Matters: a threshold on the distance depends on whether the caller normalised its query, as no caller of
#   a cosine has to; a similarity of 1 - distance is above 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet diskannpy==0.7.0 numpy==1.25.0
"$folder/venv/bin/python" - "$folder" <<'PY' | grep 'cosine\|recall'
import sys

import diskannpy
import numpy as np

random = np.random.default_rng(0)
vectors = (random.normal(size=(2000, 64)) * random.uniform(0.2, 5, (2000, 1))).astype(np.float32)
query = vectors[0] + 0.5 * random.normal(size=64).astype(np.float32)
cosines = vectors @ query / np.linalg.norm(vectors, axis=1) / np.linalg.norm(query)
exact = np.argsort(-cosines)[:10]
diskannpy.build_memory_index(
    vectors, "cosine", sys.argv[1], complexity=64, graph_degree=32, num_threads=1
)
static = diskannpy.StaticMemoryIndex(sys.argv[1], 1, 100)
dynamic = diskannpy.DynamicMemoryIndex("cosine", np.float32, 64, 2010, 64, 32)
dynamic.batch_insert(vectors, np.arange(1, 2001, dtype=np.uint32))
for name, index, first in (("static", static, 0), ("dynamic", dynamic, 1)):
    for length in (1.0, 10.0):
        scaled = query / np.linalg.norm(query) * np.float32(length)
        found, distances = index.search(scaled, 10, 100)
        ids = np.asarray(found).astype(int) - first
        print(f"{name}: a query of length {length:g}: cosine {cosines[ids[0]]:.4f}, distance {distances[0]:.4f}")
        assert len({*ids.tolist()} & {*exact.tolist()}) >= 9
        assert np.allclose(distances, 1 - length * cosines[ids], atol=1e-2)
PY
