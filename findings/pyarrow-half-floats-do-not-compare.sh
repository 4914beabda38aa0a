#!/usr/bin/env bash
# PyArrow: half floats can be stored, counted and tested for NaN, but not compared, sorted or summed.
#
# Versions: pyarrow 26.0.1, numpy 2.4.2.
# Guess: a column for which Parquet keeps min/max statistics can be filtered on.
# Seen: `unique`, `is_nan` and `cast` accept halffloat, and Parquet statistics of the column are written;
#   `equal`, `less`, `min_max`, `sort_indices` and `sum` have no kernel, so a scan with a filter on the
#   column fails. Polars 2.1.0 filters the same file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pyarrow==26.0.1 polars==2.1.0 numpy==2.4.2
"$folder/venv/bin/python" - "$folder/half.parquet" <<'PY'
import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

half = pa.array(np.array([1, np.nan, 3], np.float16))
works = {name: getattr(pc, name)(half) for name in ("unique", "is_nan")}
assert works["is_nan"].to_pylist() == [False, True, False]


def missing(function, *arguments):
    try:
        function(*arguments)
    except pa.ArrowNotImplementedError:
        return True
    return False


without = [
    name
    for name, arguments in {
        "equal": (half, half),
        "less": (half, half),
        "min_max": (half,),
        "sort_indices": (half,),
        "sum": (half,),
    }.items()
    if missing(getattr(pc, name), *arguments)
]
print("no kernel for halffloat:", *without)
assert without == ["equal", "less", "min_max", "sort_indices", "sum"]

pq.write_table(pa.table({"score": half}), sys.argv[1])
column = pq.ParquetFile(sys.argv[1]).metadata.row_group(0).column(0)
assert column.statistics.has_min_max
assert missing(ds.dataset(sys.argv[1]).to_table, None, ds.field("score") > 2)
found = pl.scan_parquet(sys.argv[1]).filter(pl.col("score") > 2).collect()["score"]
print("Polars:", found.to_list())
assert 3.0 in found.to_list()
PY
