#!/usr/bin/env bash
# TileDB Vector Search: by inner product the best rows are those whose product is just below zero.
#
# Versions: tiledb-vector-search 0.16.0, numpy 2.3.5 (the package still uses np.in1d, which 2.4 removed).
# Guess: a FLAT index, which is exact, with DistanceMetric.INNER_PRODUCT gives the rows with the largest
#   inner products, or, if it takes them for distances, those with the smallest.
# Seen: it ranks by one divided by the inner product, ascending (Index.query in index.py: "the internal
#   query functions return 1 / inner product"), and turns the values back afterwards: -0.0002, -0.006,
#   -0.019, ... where the largest is 10.7. All negative products come before all positive ones, from
#   zero downwards; the positive ones follow in the right order. For rows and queries without negative
#   numbers all is right, as in the package's tests on SIFT. L2 and COSINE are right for all rows.
# Matters: embeddings have signs, and about half of all products are negative; the answer is full of
#   rows at right angles to the query, with right products beside them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet tiledb-vector-search==0.16.0 numpy==2.3.5
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import numpy as np
from tiledb.vector_search import _tiledbvspy as native
from tiledb.vector_search.ingestion import ingest

rng = np.random.default_rng(0)
rows, queries = (rng.standard_normal((count, 8)).astype(np.float32) for count in (1000, 20))


def search(name, rows, queries, metric):
    index = ingest(
        index_type="FLAT",
        index_uri=f"{sys.argv[1]}/{name}",
        input_vectors=rows,
        distance_metric=getattr(native.DistanceMetric, metric),
    )
    values, ids = index.query(queries, k=10)
    return values, ids.astype(int)


def recall(ids, scores):
    best = np.argsort(-scores, axis=1)[:, :10]
    return np.mean([np.isin(found, true).mean() for found, true in zip(ids, best)])


products = queries @ rows.T
values, ids = search("signed", rows, queries, "INNER_PRODUCT")
print("returned:", values[0, :4], "largest:", np.sort(products[0])[::-1][:4])
print("recall@10 by inner product:", recall(ids, products))
assert np.allclose(values, np.take_along_axis(products, ids, 1), atol=1e-5)
assert recall(ids, products) == 0 and (values < 0).all() and (values > -1).all()
assert (ids == np.argsort(1 / products, axis=1)[:, :10]).mean() > 0.95

_, ids = search("positive", abs(rows), abs(queries), "INNER_PRODUCT")
assert recall(ids, abs(queries) @ abs(rows).T) == 1
_, ids = search("cosine", rows, queries, "COSINE")
assert recall(ids, products / np.linalg.norm(rows, axis=1)) == 1
PY
