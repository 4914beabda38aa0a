#!/usr/bin/env bash
# DuckDB: after most rows were deleted, a search through an HNSW index returns no rows at all.
#
# Versions: duckdb 1.5.5, duckdb-extension-vss 1.5.5, numpy 2.4.2.
# Guess: ORDER BY distance LIMIT 10 returns ten of the rows that are left, at worst not the nearest ones;
#   PRAGMA hnsw_compact_index, the remedy that the documentation names for deletes, makes them the nearest.
# Seen: 3000 rows are added, the oldest deleted. Of 300 that stay two to four queries in ten come back empty,
#   of 50 eight in ten, and after hnsw_compact_index no fewer; the others find all their ten rows. By inner
#   product all is well. With the index made anew, or without it, each query has its ten rows: an
#   index decides whether an SQL query has an answer.
# Matters: a table that keeps the last days' images, or was cleaned up, looks as if nothing in it were
#   similar, though its counts are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet duckdb==1.5.5 duckdb-extension-vss==1.5.5 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
from importlib.util import find_spec
from pathlib import Path

import duckdb
import numpy as np

vss = next(Path(find_spec("duckdb_extension_vss").origin).parent.rglob("vss.duckdb_extension"))
rng = np.random.default_rng(0)
rows = rng.standard_normal((3000, 16), np.float32)
queries = rng.standard_normal((20, 16), np.float32)


def empty(database, function):
    """Returns how many of the queries have no answer; the others have all ten rows."""
    counts = [
        len(
            database.execute(
                f"SELECT id FROM images ORDER BY {function}(vector, {query.tolist()}::FLOAT[16]) LIMIT 10"
            ).fetchall()
        )
        for query in queries
    ]
    return sum(count == 0 for count in counts)


for metric, function in (("cosine", "array_cosine_distance"), ("l2sq", "array_distance")):
    database = duckdb.connect(config={"threads": 1})
    database.execute(f"LOAD '{vss}'")
    database.execute("CREATE TABLE images (id INTEGER, vector FLOAT[16])")
    database.executemany("INSERT INTO images VALUES (?, ?)", [(i, row.tolist()) for i, row in enumerate(rows)])
    database.execute(f"CREATE INDEX near ON images USING HNSW (vector) WITH (metric = '{metric}')")
    seen = {}
    for left in (3000, 1500, 300, 50):
        database.execute("DELETE FROM images WHERE id < ?", [3000 - left])
        assert database.execute("SELECT count(*) FROM images").fetchone() == (left,)
        seen[left] = empty(database, function)
    database.execute("PRAGMA hnsw_compact_index('near')")
    compacted = empty(database, function)
    database.execute("DROP INDEX near")
    without = empty(database, function)
    print(f"{metric}: queries of {len(queries)} that find nothing, by rows left: {seen};")
    print(f"  compacted {compacted}, without the index {without}")
    assert seen[3000] == 0 and seen[50] > 10 and compacted > 5 and without == 0
PY
