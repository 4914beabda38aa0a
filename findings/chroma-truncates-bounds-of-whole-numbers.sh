#!/usr/bin/env bash
# Chroma: a bound with a fraction is cut to a whole number before whole numbers are compared with it.
#
# Versions: chromadb 1.5.9, numpy 2.4.2.
# Guess: `{"n": {"$gte": 2.5}}` finds the rows whose whole number n is at least 2.5: 3, 4, 5.
# Seen: it finds 2 as well, since 2.5 is cut to 2; `$lt` 2.5 leaves 2 out, and `$eq` 2.5 finds 2. For
#   values stored as floats the same bounds do what they say, and whole bounds are right for both.
# Matters: nothing is raised, and a filter computed as a float (a mean, a unit conversion) returns
#   wrong rows of a column that happened to be filled with whole numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet chromadb==1.5.9 numpy==2.4.2
ANONYMIZED_TELEMETRY=False "$folder/venv/bin/python" - <<'PY'
import chromadb

rows = chromadb.EphemeralClient().create_collection("numbers")
rows.add(
    ids=[str(number) for number in range(6)],
    embeddings=[[float(number), 1.0] for number in range(6)],
    metadatas=[{"whole": number, "real": float(number)} for number in range(6)],
)


def found(column: str, operator: str, bound: float) -> str:
    return "".join(sorted(rows.get(where={column: {operator: bound}})["ids"]))


seen = {
    (column, operator): found(column, operator, 2.5)
    for column in ("whole", "real")
    for operator in ("$gte", "$lt", "$eq")
}
for (column, operator), ids in seen.items():
    print(column, operator, 2.5, "->", ids or "none")
assert [seen["whole", operator] for operator in ("$gte", "$lt", "$eq")] == ["2345", "01", "2"]
assert [seen["real", operator] for operator in ("$gte", "$lt", "$eq")] == ["345", "012", ""]
assert found("whole", "$gte", 3) == found("real", "$gte", 3) == "345"
PY
