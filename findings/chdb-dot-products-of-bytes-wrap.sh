#!/usr/bin/env bash
# chDB (ClickHouse): the dot product of two vectors of bytes is computed in 16 bits and wraps.
#
# Versions: chdb 4.4.0 with chdb-core 26.9.0 (ClickHouse 26.9.2.1), numpy 2.4.2.
# Guess: `dotProduct` of Array(UInt8) or Array(Int8) is the integer it should be, or a float, as are
#   L2Distance, L2SquaredDistance, L1Distance and cosineDistance of the same arrays.
# Seen: its type is that of one product of two elements: UInt16 or Int16, and the sum over the
#   elements is taken in it: three times 255 * 255 is 64,003 in place of 195,075. Of vectors of 64 random
#   bytes no product is right with UInt8 and half with Int8, and two and none of the ten largest are
#   among those found. Two tuples of the same numbers,
#   `arraySum(arrayMap((a, b) -> a * b, ...))`, and arrays with a float give the right one.
#   (getReturnType in src/Functions/array/arrayDotProduct.cpp; ClickHouse documents that integer arithmetic
#   overflows as in C++, and that arraySum and sum widen.)
# Matters: embeddings quantised to int8 or uint8 are what one stores in such columns.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet chdb==4.4.0 chdb-core==26.9.0 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import chdb
import numpy as np

rng = np.random.default_rng(0)
for dtype, kind in ((np.uint8, "UInt8"), (np.int8, "Int8")):
    limits = np.iinfo(dtype)
    rows = rng.integers(limits.min, limits.max, (300, 64), dtype, endpoint=True)
    query = rng.integers(limits.min, limits.max, 64, dtype, endpoint=True)
    columns = []
    for function in ("dotProduct", "L2SquaredDistance", "arraySum((a, b) -> a * b, "):
        call = function if function.endswith(" ") else function + "("
        columns.append(f"{call}CAST(vec AS Array({kind})), CAST({query.tolist()} AS Array({kind})))")
    answer = chdb.query(
        f"SELECT {', '.join(columns)}, toTypeName({columns[0]}) FROM"
        f" (SELECT arrayJoin({rows.tolist()}) AS vec)",
        "TSV",
    )
    lines = [line.split("\t") for line in str(answer).splitlines()]
    dot, squared, summed = np.array([line[:3] for line in lines], float).T
    wide, other = rows.astype(np.int64), query.astype(np.int64)
    true = wide @ other
    best = np.isin(np.argsort(-dot, kind="stable")[:10], np.argsort(-true)[:10]).sum()
    print(
        f"{kind}: {lines[0][3]}, {np.mean(dot == true):.2f} of the products right, {best} of the best ten;"
        f" largest {true.max()}, given {dot.max():.0f}"
    )
    assert lines[0][3] == kind.replace("8", "16")
    assert (dot == (wide @ other).astype(f"{np.dtype(dtype).kind}2")).all()
    assert np.mean(dot == true) < 0.6 and best < 6
    assert (squared == ((wide - other) ** 2).sum(1)).all() and (summed == true).all()
three = str(chdb.query("SELECT dotProduct([255, 255, 255], [255, 255, 255])", "TSV")).strip()
print("three times 255 * 255:", three)
assert three == "64003"
PY
