#!/usr/bin/env bash
# chDB (ClickHouse): a search by dotProduct through its index is backwards, and finds none of the best.
#
# Versions: chdb 4.4.0 with chdb-core 26.9.0 (ClickHouse 26.9.2.1), numpy 2.4.2.
# Guess: with a vector_similarity index for dotProduct, `ORDER BY dotProduct(vec, q) DESC LIMIT 10` gives
#   about the ten rows with the largest dot products, best first, and their dot products.
# Seen: in the place of each dot product stands 1 minus it, in SELECT and in ORDER BY: the index's distance
#   (USearch's for inner products) is taken for the function's value (EXPLAIN has "_distance DESC").
#   The ten rows of one part come worst first, and the row itself, whose product is 1, is last with 0.001.
#   Where a table has four parts, as after four inserts, the ten worst of forty candidates are kept, and
#   recall@10 is 0. With vector_search_with_rescoring = 1, which is not the default, all is right;
#   so are L2Distance and cosineDistance, in ascending order.
# Known: the index for dotProduct came with 26.4 (pull request 102254); a review of pull request 103112
#   mentions the scale of `_distance`, not the order.
# Matters: the documentation calls dotProduct the same as cosineDistance on normalised data.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet chdb==4.4.0 chdb-core==26.9.0 numpy==2.4.2
"$folder/venv/bin/python" - "$folder/data" <<'PY'
import sys

import numpy as np
from chdb import session

rows = np.random.default_rng(0).standard_normal((4000, 32))
rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
database = session.Session(sys.argv[1])
database.query("CREATE DATABASE d")
for parts in (1, 4):
    database.query(
        f"CREATE TABLE d.parts_{parts} (id UInt32, vec Array(Float32), INDEX near vec"
        " TYPE vector_similarity('hnsw', 'dotProduct', 32)) ENGINE = MergeTree ORDER BY id"
    )
    for ids in np.split(np.arange(4000), parts):
        values = ",".join(f"({i}, {rows[i].tolist()})" for i in ids)
        database.query(f"INSERT INTO d.parts_{parts} VALUES {values}")


def search(parts, query, rescoring):
    answer = database.query(
        f"WITH {query.tolist()} AS q SELECT id, dotProduct(vec, q) AS product FROM d.parts_{parts}"
        f" ORDER BY product DESC LIMIT 10 SETTINGS vector_search_with_rescoring = {rescoring}",
        "TSV",
    )
    found = np.array([line.split("\t") for line in str(answer).splitlines()], float)
    return found[:, 0].astype(int), found[:, 1]


recalls = {}
for parts in (1, 4):
    for rescoring in (0, 1):
        hits = 0
        for query in rows[:30]:
            ids, products = search(parts, query, rescoring)
            true = rows @ query
            hits += np.isin(ids, np.argsort(-true)[:10]).sum()
            expected = true[ids] if rescoring else 1 - true[ids]
            assert np.abs(products - expected).max() < 0.02, "rounding of bfloat16"
            if query is rows[0] or parts == 1:
                assert (np.diff(true[ids]) > -0.02).all() != bool(rescoring)
        recalls[parts, rescoring] = hits / 300
    print(f"{parts} parts: recall@10 {recalls[parts, 0]:.2f}, rescored {recalls[parts, 1]:.2f}")
ids, products = search(1, rows[0], 0)
print("one part, the row itself as the query:", ids, products.round(3))
assert recalls[1, 0] > 0.95 and recalls[4, 0] == 0
assert min(recalls[1, 1], recalls[4, 1]) > 0.95
assert ids[-1] == 0 and products[-1] < 0.01 < products[0]
PY
