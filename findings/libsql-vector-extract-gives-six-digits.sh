#!/usr/bin/env bash
# libSQL: vector_extract gives six digits of each number, of 64-bit vectors as well.
#
# Versions: libsql 0.1.11 (SQLite 3.45.1), pyturso 0.8.3, numpy 2.4.2.
# Guess: the text that vector_extract returns is the vector: vector32(vector_extract(v)) is v, as it is in
#   Turso, which has the same functions.
# Seen: numbers are printed with six digits: 16777215 becomes 1.67772e+07, of the 17 digits of a 64-bit
#   number 11 are lost. Rows that were copied through their text are no longer at distance 0 from
#   themselves, and vectors that differ in later digits become duplicates. The blob itself is exact.
# Matters: vector_extract is how the documentation reads vectors, and how they are moved between databases.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet libsql==0.1.11 pyturso==0.8.3 numpy==2.4.2
cd "$folder"
venv/bin/python - <<'PY'
import json

import libsql
import numpy as np
import turso

rng = np.random.default_rng(0)
vectors = {
    "vector32": rng.standard_normal(512).astype(np.float32).astype(float).tolist(),
    "vector64": rng.standard_normal(512).tolist(),
}


def ask(database, question, value):
    cursor = database.cursor()
    cursor.execute(question, (value,))
    return cursor.fetchone()[0]


equal = {}
for name, database in (("libSQL", libsql.connect(":memory:")), ("Turso", turso.connect(":memory:"))):
    for kind, vector in vectors.items():
        read = json.loads(ask(database, f"SELECT vector_extract({kind}(?))", json.dumps(vector)))
        same = np.array(read, np.float32 if kind == "vector32" else float) == vector
        equal[name, kind] = int(same.sum())
        print(f"{name}, {kind}: {equal[name, kind]} of 512 numbers survive, {vector[0]} is read as {read[0]}")
    print(f"  16777215 is read as {ask(database, 'SELECT vector_extract(vector32(?))', '[16777215]')}")
assert equal["Turso", "vector32"] == equal["Turso", "vector64"] == 512
assert equal["libSQL", "vector32"] < 50 and equal["libSQL", "vector64"] == 0

database = libsql.connect(":memory:")
text = json.dumps(vectors["vector32"])
copied = ask(database, "SELECT vector_extract(vector32(?))", text)
question = f"SELECT vector_distance_l2(vector32(?), vector32('{copied}'))"
print(f"distance of a vector from its copy: {ask(database, question, text):.1e}")
assert ask(database, question, text) > 0
blob = ask(database, "SELECT vector32(?)", text)
assert np.array_equal(np.frombuffer(blob[: 4 * 512], np.float32), vectors["vector32"])
assert ask(database, "SELECT vector_extract(vector32(?))", "[16777215]") == "[1.67772e+07]"
PY
