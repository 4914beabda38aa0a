#!/usr/bin/env bash
# Lance: a distance range on a cosine index is compared with twice the distance, also when refined.
#
# Versions: pylance 14.0.2, pyarrow 26.0.1, numpy 2.4.2.
# Guess: `distance_range=(0, r)` returns the rows whose `_distance` is below r, and an index moves that
#   distance by its rounding only.
# Seen: an IVF_SQ index (IVF_PQ and IVF_RQ alike) computes the squared L2 distance of normalised rows,
#   twice the cosine distance, and the range is applied to that. Without an index 852 rows are in range;
#   with it 21, nearly all the queries' own rows, though all 852 are in the result without a range. A
#   `refine_factor` brings the true values back, but comes after the range: 21 again. Without
#   it `_distance` itself is doubled, until one row is appended that is not yet indexed: from then on
#   the same query gives the same rows half the value.
# Known: lancedb issue 3530 has the doubled `_distance` without `refine_factor`, not the range.
# Matters: a threshold for duplicates, tuned before there was an index or with refined values, drops
#   nearly all of them, and a threshold on `_distance` means something else after each append.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pylance==14.0.2 pyarrow==26.0.1 numpy==2.4.2
OMP_NUM_THREADS=1 "$folder/venv/bin/python" - "$folder/data" <<'PY'
import sys

import lance
import numpy as np
import pyarrow as pa

rng = np.random.default_rng(0)
centres = rng.standard_normal((200, 64))
rows = (centres[rng.integers(0, 200, 20_000)] + 0.5 * rng.standard_normal((20_000, 64))).astype("f4")
queries = (rows[:20] + 0.1 * rng.standard_normal((20, 64))).astype(np.float32)


def table(vectors):
    return pa.table({"vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 64)})


def near(query, **options):
    search = {"column": "vector", "q": query, "k": 1000, "metric": "cosine", "nprobes": 16, **options}
    found = data.to_table(columns=["_rowid", "_distance"], nearest=search, with_row_id=True)
    return dict(zip(found["_rowid"].to_pylist(), found["_distance"].to_pylist()))


def in_range(**options):
    return sum(len(near(query, distance_range=(0, 0.182), **options)) for query in queries)


data = lance.write_dataset(table(rows), sys.argv[1])
exact = near(queries[0])
without = in_range()
data.create_index("vector", "IVF_SQ", metric="cosine", num_partitions=16)

plain, refined = in_range(), in_range(refine_factor=2)
inside = sum(
    distance < 0.182 for query in queries for distance in near(query, refine_factor=2).values()
)
print(f"below 0.182: {without} without an index, {plain} with it, {refined} refined")
print(f"of the refined results without a range {inside} are below it")
assert without > 500 and inside > 500
assert plain == refined < 50


def ratio():
    found = near(queries[0])
    return np.median([found[row] / exact[row] for row in found if row in exact])


doubled = ratio()
data = lance.write_dataset(table(rows[:1] + 9), sys.argv[1], mode="append")
print(f"_distance over the cosine distance: {doubled:.2f}, after an append {ratio():.2f}")
assert 1.9 < doubled < 2.1 and 0.99 < ratio() < 1.01
PY
