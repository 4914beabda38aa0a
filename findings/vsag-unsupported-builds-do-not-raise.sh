#!/usr/bin/env bash
# VSAG: building with RaBitQ codes alone is refused in a log line only, and the index then answers.
#
# Versions: pyvsag 0.18.5, numpy 2.4.2.
# Guess: a build that is not supported raises, or searching what was never built does.
# Seen: `build` writes "building the index is not supported using RabbitQ alone" to its log and
#   returns None as ever; the vectors are in, the graph is not, and each search returns ten ids, most of
#   them wrong (recall@10 below 0.2; 0.99 with sq8).
# Matters: a program that does not read the log serves that index.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pyvsag==0.18.5 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import json

import numpy as np
import pyvsag

vectors = np.random.default_rng(0).normal(size=(2000, 64)).astype(np.float32)
vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
exact = np.argsort(-vectors[:30] @ vectors.T, axis=1)[:, :10]
recalls = {}
for codes in ("rabitq", "sq8"):
    graph = {"max_degree": 26, "ef_construction": 100, "base_quantization_type": codes}
    about = {"dtype": "float32", "metric_type": "cosine", "dim": 64, "index_param": graph}
    index = pyvsag.Index("hgraph", json.dumps(about))
    index.build(vectors=vectors, ids=np.arange(2000, dtype=np.int64), num_elements=2000, dim=64)
    search = json.dumps({"hgraph": {"ef_search": 100}})
    found = [index.knn_search(vector=query, k=10, parameters=search)[0] for query in vectors[:30]]
    assert all(len(ids) == 10 for ids in found)
    hits = [len({*map(int, ids)} & {*row}) / 10 for ids, row in zip(found, exact.tolist())]
    recalls[codes] = float(np.mean(hits))
    print(f"{codes}: recall@10 {recalls[codes]:.3f}")
assert recalls["rabitq"] < 0.3 and recalls["sq8"] > 0.9
PY
