#!/usr/bin/env bash
# delta-rs: a table accepts fixed-length vectors and returns them as variable-length lists.
#
# Versions: deltalake 1.6.6, pyarrow 26.0.1, numpy 2.4.2.
# Guess: a type that Delta Lake does not have is either rejected on write (as Float16 is) or read back
#   unchanged.
# Seen: fixed_size_list<float>[8] is accepted and becomes array<float> in the table's schema; reading it
#   gives list<float>, although the table's own Parquet file says fixed_size_list<float>[8]. A later
#   append of rows of a different length is accepted.
# Matters: nothing enforces the dimension any more, and code that relies on it has to cast on every read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet deltalake==1.6.6 pyarrow==26.0.1 numpy==2.4.2
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

numbers = np.random.default_rng(0).standard_normal(400)
table, half, longer = (
    pa.table({"e": pa.FixedSizeListArray.from_arrays(pa.array(numbers.astype(dtype)), length)})
    for dtype, length in ((np.float32, 8), (np.float16, 8), (np.float32, 16))
)
folder = f"{sys.argv[1]}/table"
write_deltalake(folder, table)
read = DeltaTable(folder).to_pyarrow_table().schema.field("e").type
written = pq.read_schema(next(Path(folder).glob("*.parquet"))).field("e").type
print("read:", read, "in its file:", written)
assert pa.types.is_list(read) and not pa.types.is_fixed_size_list(read)
assert pa.types.is_fixed_size_list(written) and written.list_size == 8

write_deltalake(folder, longer, mode="append")
lengths = {len(row) for row in DeltaTable(folder).to_pyarrow_table()["e"].to_pylist()}
print("lengths after an append:", lengths)
assert lengths == {8, 16}

try:
    write_deltalake(f"{sys.argv[1]}/half", half)
except Exception as error:
    print("half floats:", str(error).splitlines()[0])
    assert "Float16" in str(error)
else:
    raise AssertionError("half floats are accepted")
PY
