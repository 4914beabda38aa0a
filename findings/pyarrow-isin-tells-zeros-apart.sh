#!/usr/bin/env bash
# PyArrow: a filter by `isin` tells 0.0 from -0.0, which `==` takes for one number.
#
# Version: pyarrow 26.0.1.
# Guess: `field("x").isin([0.0])` finds the rows that `field("x") == 0.0` finds.
# Seen: of 0.0 and -0.0 `==` finds both and `isin` the first alone; `group_by`, `unique` and
#   `join` tell them apart too. With NaN it is the other way: `isin([nan])` finds it, `==` does not.
# Matters: -0.0 is what rounding and products of a negative number leave; a list of one value is
#   often written as `isin`, and rows are then left out of a selection, or of a deletion, in silence.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PY'
import math

import pyarrow as pa
import pyarrow.dataset as ds

x = ds.field("x")
table = pa.table({"x": [0.0, -0.0, 1.0, math.nan], "row": [0, 1, 2, 3]})


def found(condition: ds.Expression) -> list[int]:
    return ds.dataset(table).to_table(filter=condition)["row"].to_pylist()


grouped = table.slice(0, 2).group_by("x").aggregate([("row", "count")]).num_rows
joined = table.join(pa.table({"x": [0.0]}), "x", join_type="inner")["row"].to_pylist()
print("== 0.0 ->", found(x == 0.0), " isin([0.0]) ->", found(x.isin([0.0])))
print("groups of 0.0 and -0.0:", grouped, " rows that join with 0.0:", joined)
print("== nan ->", found(x == math.nan), " isin([nan]) ->", found(x.isin([math.nan])))
assert (found(x == 0.0), found(x.isin([0.0]))) == ([0, 1], [0])
assert (grouped, joined) == (2, [0])
assert (found(x == math.nan), found(x.isin([math.nan]))) == ([], [3])
PY
