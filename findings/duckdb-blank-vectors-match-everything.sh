#!/usr/bin/env bash
# DuckDB: an all-zero vector is the best match of every query, and passes every threshold.
#
# Versions: duckdb 2.0.1, pyarrow 26.0.1, numpy 2.4.2.
# Guess: the cosine similarity to a vector without a direction is NULL or NaN; NULL sorts last in
#   descending order, and a comparison with NaN is false, so the row is not among the results.
# Seen: it is NaN, which DuckDB takes for greater than every number. `ORDER BY array_cosine_similarity
#   DESC LIMIT 1` gives the zero row, `> 0.99` holds for it, and it is the `max`, and first in `max_by`.
#   list_cosine_similarity does the same. array_cosine_distance, ascending, puts the row last; 1 minus
#   the similarity does so as well. An all-zero query has every row above every threshold.
# Matters: a blank vector is what a failed or masked image often leaves; one of them tops all rankings.
#   That NaN is the greatest number is on DuckDB's page of numeric types, not with these functions.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet duckdb==2.0.1 pyarrow==26.0.1 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import duckdb
import numpy as np
import pyarrow as pa

vectors = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
vectors[7] = 0
flat = pa.array(vectors.ravel())
rows = pa.table({"id": range(50), "e": pa.FixedSizeListArray.from_arrays(flat, 8)})


def first(expression: str, order: str) -> int:
    query = f"SELECT id FROM rows ORDER BY {expression} {order} LIMIT 1"
    return duckdb.execute(query, [vectors[0].tolist()]).fetchone()[0]


def above(query: np.ndarray, threshold: float) -> list[int]:
    sql = f"SELECT id FROM rows WHERE {similarity} > {threshold} ORDER BY id"
    return [id for (id,) in duckdb.execute(sql, [query.tolist()]).fetchall()]


similarity = "array_cosine_similarity(e, ?::FLOAT[8])"
tops = {
    "array_cosine_similarity": first(similarity, "DESC"),
    "list_cosine_similarity": first("list_cosine_similarity(e::FLOAT[], ?::FLOAT[])", "DESC"),
    "array_cosine_distance": first("array_cosine_distance(e, ?::FLOAT[8])", "ASC"),
    "1 - similarity": first(f"1 - {similarity}", "ASC"),
}
print("the best match of row 0:", tops)
print("similarity above 0.99:", above(vectors[0], 0.99), "of a zero query:", len(above(vectors[7], 2)))
assert tops["array_cosine_similarity"] == tops["list_cosine_similarity"] == 7
assert tops["array_cosine_distance"] == tops["1 - similarity"] == 0
assert above(vectors[0], 0.99) == [0, 7] and len(above(vectors[7], 2)) == 50
PY
