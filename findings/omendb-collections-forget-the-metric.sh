#!/usr/bin/env bash
# OmenDB: a collection of a cosine or dot database searches by squared L2; deletes shorten its answers.
#
# Versions: omendb 0.0.37, numpy 2.4.6.
# Guess: `db.collection("photos")` of a database that was created with metric "cosine" has its metric, as it
#   has its dimension, and `search(k=10)` returns ten rows while there are ten.
# Seen: the collection's distances are squared L2 and its order is that of L2: of the ten rows with the largest
#   cosines it finds two, of those with the largest dot products none; the database itself finds all. No
#   argument of `collection` sets a metric. After the first 900 of 1,000 rows are deleted a search with
#   k=10 returns one to ten rows, four in the mean, until `flush` or `compact`; the same search with a filter
#   that all rows pass returns ten.
# Matters: collections are what one makes for users or albums; thresholds and rankings are others there than
#   in the database that they belong to.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet omendb==0.0.37 numpy==2.4.6
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import numpy as np
import omendb

random = np.random.default_rng(0)
lengths = random.uniform(0.3, 3, (1000, 1))
rows = (random.normal(size=(1000, 32)) * lengths).astype(np.float32)
queries = random.normal(size=(20, 32)).astype(np.float32)
items = [
    {"id": str(number), "vector": row.tolist(), "metadata": {"number": number}}
    for number, row in enumerate(rows)
]


def distances(metric: str, query: np.ndarray) -> np.ndarray:
    if metric == "l2":
        return ((rows - query) ** 2).sum(axis=1)
    products = -rows @ query
    if metric == "dot":
        return products
    return 1 + products / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)


def recall(db: omendb.VectorDatabase, best: str, shown: str) -> float:
    """Return recall@10 by `best`, and check that the distances are those of `shown`."""
    hits = 0
    for query in queries:
        found = db.search(query=query.tolist(), k=10)
        truth = distances(shown, query)
        for row in found:
            assert abs(row["distance"] - truth[int(row["id"])]) < 0.01
        nearest = set(np.argsort(distances(best, query))[:10].tolist())
        hits += len(nearest & {int(row["id"]) for row in found})
    return hits / 200


for metric in ("cosine", "dot"):
    schema = {"dense": {"dim": 32}, "metric": metric}
    with omendb.create(f"{sys.argv[1]}/{metric}", schema) as db:
        db.set(items)
        collection = db.collection("photos")
        collection.set(items)
        own, other = recall(db, metric, metric), recall(collection, metric, "l2")
        print(f"{metric}: recall@10 {own:.2f} in the database, {other:.2f} in its collection")
        assert own > 0.95 and other < 0.7
        assert recall(collection, "l2", "l2") > 0.9

        db.delete([str(number) for number in range(900)])
        plain, filtered = [], []
        for query in queries:
            plain.append(len(db.search(query=query.tolist(), k=10)))
            everything = {"number": {"$gte": 0}}
            filtered.append(len(db.search(query=query.tolist(), k=10, filter=everything)))
        print(f"  of {len(db)} rows left k=10 finds {min(plain)} to {max(plain)},", end=" ")
        print(f"{np.mean(plain):.1f} in the mean, with a filter for all {min(filtered)}")
        assert len(db) == 100 and np.mean(plain) < 8 and min(filtered) == 10
PY
