#!/usr/bin/env bash
# zvec: with a narrow filter a DiskANN search returns fewer rows than match, if the field has no index.
#
# Versions: zvec 0.8.0, numpy 2.4.6.
# Guess: `topk=10` with a filter that 20 of 1,000 rows pass returns ten of them, as with Hnsw, IVF, Flat and
#   Vamana, and the same ones whether the field of the filter has an inverted index or not.
# Seen: once `optimize` has built the graph a search returns none to eight rows, four on average, without an
#   error. With InvertIndexParam() on the field it returns the ten nearest. Before `optimize` it does
#   so without the index, too, and the other kinds of index always do (tried by hand; Hnsw here). A filter
#   that 100 of 1,000 rows pass is not affected.
# Matters: an index on a field is there for speed; here it decides which rows are found. What looks like "no
#   such image" is a filter that is narrow.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet zvec==0.8.0 numpy==2.4.6
cat >"$folder/filters.py" <<'PY'
import sys

import numpy as np
import zvec

random = np.random.default_rng(0)
rows = random.normal(size=(1000, 32)).astype(np.float32)
queries = random.normal(size=(20, 32)).astype(np.float32)
l2 = zvec.MetricType.L2


def search(name: str, parameters: object, indexed: bool) -> dict[tuple[bool, int], list[int]]:
    """Return how many of the ten nearest each query finds, by optimised and rows that pass."""
    index = {"index_param": zvec.InvertIndexParam()} if indexed else {}
    fields = [zvec.FieldSchema("n", zvec.DataType.INT64, **index)]
    vectors = [zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, 32, parameters)]
    schema = zvec.CollectionSchema("rows", fields=fields, vectors=vectors)
    collection = zvec.create_and_open(f"{sys.argv[1]}/{name}", schema)
    collection.insert(
        [
            zvec.Doc(id=str(number), fields={"n": number}, vectors={"v": row.tolist()})
            for number, row in enumerate(rows)
        ]
    )
    found = {}
    for optimised in (False, True):
        if optimised:
            collection.optimize()
        for passing in (20, 100):
            counts = []
            for query in queries:
                vector = zvec.Query("v", vector=query.tolist())
                answer = collection.query(queries=vector, topk=10, filter=f"n < {passing}")
                distances = ((rows[:passing] - query) ** 2).sum(axis=1)
                best = set(np.argsort(distances)[:10].tolist())
                counts.append(len(best & {int(row.id) for row in answer}))
            found[optimised, passing] = counts
            print(
                f"{name}, optimised {optimised}, {passing} rows pass: {min(counts)} to"
                f" {max(counts)} of the ten nearest"
            )
    return found


graph = search("hnsw", zvec.HnswIndexParam(metric_type=l2), indexed=False)
indexed = search("diskann_indexed", zvec.DiskAnnIndexParam(metric_type=l2), indexed=True)
plain = search("diskann", zvec.DiskAnnIndexParam(metric_type=l2), indexed=False)
for found in (graph, indexed):
    assert all(np.mean(counts) > 9.5 for counts in found.values())
assert min(np.mean(plain[False, 20]), np.mean(plain[True, 100])) > 9.5
assert np.mean(plain[True, 20]) < 7 and max(plain[True, 20]) < 10
PY
"$folder/venv/bin/python" "$folder/filters.py" "$folder"
