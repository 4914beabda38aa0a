#!/usr/bin/env bash
# datasets: one Parquet file without rows among others, and none of them can be loaded.
#
# Versions: datasets 5.0.1, pyarrow 26.0.1.
# Guess: three files of 2, 0 and 3 rows are five rows.
# Seen: if the empty file has no row group, load_dataset raises DatasetGenerationError from an
#   IndexError: it counts the rows of each file in a list that the empty one is not put into. If it has
#   one, without rows, the cause is "BatchSize must be greater than 0, got 0"; a stream ends with that
#   too.
# Matters: jobs that write one file each, and of which one finds nothing, make a dataset that cannot
#   be read.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet datasets==5.0.1 pyarrow==26.0.1
HF_HUB_OFFLINE=1 HF_HOME="$folder/home" "$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import disable_progress_bars, load_dataset
from datasets.exceptions import DatasetGenerationError

disable_progress_bars()
for name in ("without", "with"):
    folder = Path(sys.argv[1], f"{name}-a-row-group")
    folder.mkdir()
    for number, rows in enumerate((2, 0, 3)):
        table = pa.table({"number": pa.array(range(rows), pa.int64())})
        with pq.ParquetWriter(folder / f"{number}.parquet", table.schema) as writer:
            if rows or name == "with":
                writer.write_table(table)
    try:
        load_dataset(str(folder), split="train")
    except DatasetGenerationError as error:
        print(f"{folder.name}: {error.__cause__!r}")
        assert ("BatchSize" in str(error.__cause__)) == (name == "with")
    else:
        sys.exit("mended")
PY
