#!/usr/bin/env bash
# sqlite-vec: "id in (...)" filters before the k nearest are chosen, "id > n" filters afterwards.
#
# Versions: sqlite-vec 0.1.9, apsw 3.54.1.0, numpy 2.4.2.
# Guess: all conditions on the primary key in a KNN query are applied at the same stage.
# Seen: of 50 rows, 24 have an id above 25. `k = 10 AND id > 25` returns 4 rows: those among the ten
#   nearest overall. The same 24 ids given as `id IN (26, 27, ...)` return ten rows.
# Matters: a range condition on the key silently returns fewer than k rows, or none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
# apsw ships an SQLite that can load extensions, which many Python builds' sqlite3 cannot.
"$folder/venv/bin/python" -m pip install --quiet sqlite-vec==0.1.9 apsw==3.54.1.0 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import apsw
import numpy as np
import sqlite_vec

rows = np.random.default_rng(0).standard_normal((50, 8)).astype(np.float32)
db = apsw.Connection(":memory:")
db.enable_load_extension(True)
db.load_extension(sqlite_vec.loadable_path())
db.execute(
    "CREATE VIRTUAL TABLE v USING vec0(id INTEGER PRIMARY KEY, e FLOAT[8] distance_metric=cosine)"
)
for id, row in enumerate(rows):
    db.execute("INSERT INTO v VALUES (?, ?)", (id, row.tobytes()))


def ids(condition):
    query = f"SELECT id FROM v WHERE e MATCH ? AND k = 10 AND {condition}"
    return [id for (id,) in db.execute(query, (rows[0].tobytes(),))]


after = ids("id > 25")
before = ids(f"id IN ({', '.join(map(str, range(26, 50)))})")
nearest = ids(f"id IN ({', '.join(map(str, range(50)))})")
print("id > 25:", after)
print("id in 26..49:", before)
assert len(before) == 10 and min(before) > 25
assert after == [id for id in nearest if id > 25] and len(after) == 4
PY
