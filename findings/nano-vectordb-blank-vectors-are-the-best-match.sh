#!/usr/bin/env bash
# nano-vectordb: an all-zero vector is the best match of every query, and passes every threshold.
#
# Versions: nano-vectordb 0.0.4.3, numpy 2.4.6.
# Guess: a row without a direction is refused by `upsert`, or it is last, or is left out of the results.
# Seen: its normalised vector is NaN (NumPy warns once, when it is added), and `query` takes the last k places of
#   np.argsort from behind, where NumPy puts NaN: the row is first for every query, with NaN for a score.
#   `better_than_threshold` ends the list at the first score below it; NaN is not below. With ten such rows
#   and top_k=10 nothing else is ever found, and an all-zero query has any rows with any threshold.
#   (_cosine_query in dbs.py.)
# Matters: it is the default vector store of LightRAG and GraphRAG tools; a blank vector is what a failed or
#   masked image or an empty text leaves. DuckDB does the same (duckdb-blank-vectors-match-everything.sh).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet nano-vectordb==0.0.4.3 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - "$folder" <<'PY'
import logging
import math
import sys

import numpy as np
from nano_vectordb import NanoVectorDB

logging.disable(logging.INFO)
random = np.random.default_rng(0)
rows = random.normal(size=(100, 32)).astype(np.float32)
db = NanoVectorDB(32, storage_file=f"{sys.argv[1]}/rows.json")
db.upsert([{"__id__": f"{number}", "__vector__": row} for number, row in enumerate(rows)])


def find(query: np.ndarray, threshold: float | None = None) -> list[tuple[str, float]]:
    found = db.query(query, top_k=10, better_than_threshold=threshold)
    return [(row["__id__"], float(row["__metrics__"])) for row in found]


assert find(rows[3])[0][0] == "3" and len(find(rows[3], 0.99)) == 1
db.upsert([{"__id__": "blank", "__vector__": np.zeros(32, np.float32)}])
for query in (rows[3], -rows[3], random.normal(size=32)):
    (name, score), (second, best), *_ = find(query)
    print(f"first {name} with {score}, second {second} with {best:.2f}")
    assert name == "blank" and math.isnan(score) and not math.isnan(best)
    assert find(query, 2.0)[0][0] == "blank" and len(find(query, 2.0)) == 1

db.upsert([{"__id__": f"blank{n}", "__vector__": np.zeros(32, np.float32)} for n in range(9)])
found = [name for name, _ in find(rows[3])]
print("with ten such rows:", *found)
assert all(name.startswith("blank") for name in found)
assert len(find(np.zeros(32, np.float32), 0.99)) == 10
PY
