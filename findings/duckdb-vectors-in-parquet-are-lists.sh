#!/usr/bin/env bash
# DuckDB: fixed-length vectors are arrays when they come from Arrow, but lists from Parquet.
#
# Versions: duckdb 2.0.1, pyarrow 26.0.1, numpy 2.4.2.
# Guess: a fixed_size_list<float>[8] column is FLOAT[8] wherever it comes from: the Parquet file says
#   so in its Arrow schema, which Polars and PyArrow honour.
# Seen: from an in-memory Arrow table it is FLOAT[8]; from a Parquet file of the same table it is
#   FLOAT[], which array_cosine_similarity rejects. A cast (::FLOAT[8]) fixes it. A column of half
#   floats is readable from Parquet (as FLOAT[]) but rejected from Arrow.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet duckdb==2.0.1 pyarrow==26.0.1 numpy==2.4.2
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

numbers = np.random.default_rng(0).standard_normal(8000)
single, half = (
    pa.table({"v": pa.FixedSizeListArray.from_arrays(pa.array(numbers.astype(dtype)), 8)})
    for dtype in (np.float32, np.float16)
)
pq.write_table(single, f"{sys.argv[1]}/single.parquet")
pq.write_table(half, f"{sys.argv[1]}/half.parquet")


def kind(source):
    return duckdb.sql(f"SELECT typeof(v) FROM {source} LIMIT 1").fetchall()[0][0]


def refused(query):
    try:
        duckdb.sql(query).fetchall()
    except duckdb.Error as error:
        return type(error).__name__
    return ""


file = f"'{sys.argv[1]}/single.parquet'"
print("Arrow:", kind("single"), "Parquet:", kind(file))
assert (kind("single"), kind(file)) == ("FLOAT[8]", "FLOAT[]")
assert refused(f"SELECT array_cosine_similarity(v, v) FROM {file}") == "BinderException"
assert not refused(f"SELECT array_cosine_similarity(v::FLOAT[8], v::FLOAT[8]) FROM {file}")
print("half floats: Parquet:", kind(f"'{sys.argv[1]}/half.parquet'"), "Arrow:", refused("SELECT v FROM half"))
assert refused("SELECT v FROM half") == "NotImplementedException"
PY
