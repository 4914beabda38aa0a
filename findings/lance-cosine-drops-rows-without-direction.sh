#!/usr/bin/env bash
# Lance: cosine search drops all-zero rows and returns nothing for an all-zero query.
#
# Versions: pylance 14.0.2, pyarrow 26.0.1, numpy 2.4.2.
# Guess: a vector without a direction has some distance (1, infinity or NaN) and sorts last, so k equal
#   to the number of rows returns every row.
# Seen: all-zero rows and rows with NaN are silently missing from the results at any k, and an all-zero
#   query returns an empty table. With L2 the all-zero row is returned.
# Matters: a listing of "all rows by similarity" is shorter than the dataset; count before paging.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pylance==14.0.2 pyarrow==26.0.1 numpy==2.4.2
"$folder/venv/bin/python" - "$folder/data" <<'PY'
import sys

import lance
import numpy as np
import pyarrow as pa

rows = np.random.default_rng(0).standard_normal((2000, 32)).astype(np.float32)
rows[7], rows[8] = 0, np.nan
vectors = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), 32)
data = lance.write_dataset(pa.table({"id": range(2000), "vector": vectors}), sys.argv[1])


def nearest(query, metric):
    near = {"column": "vector", "q": query, "k": 2000, "metric": metric}
    return data.to_table(columns=["id"], nearest=near)["id"].to_pylist()


cosine, l2, zeros = nearest(rows[5], "cosine"), nearest(rows[5], "l2"), nearest(rows[7], "cosine")
print(f"rows {data.count_rows()}; by cosine {len(cosine)}, by L2 {len(l2)}, all-zero query {len(zeros)}")
assert len(cosine) == 1998 and not {7, 8} & set(cosine)
assert 7 in l2
assert zeros == []
PY
