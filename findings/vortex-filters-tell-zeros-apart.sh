#!/usr/bin/env bash
# Vortex: the filter `x >= 0` drops -0.0, `x < 0` finds it, and NaN is above every threshold.
#
# Versions: vortex-data 0.93.0, pyarrow 26.0.0, numpy 2.4.2.
# Guess: filters compare floats as IEEE 754, NumPy and pyarrow do: -0.0 == 0.0, and NaN is neither above
#   nor below a number.
# Seen: they compare by total order: of a column of -0.0 alone `== 0.0` and `>= 0.0` find no row and
#   `< 0.0` finds all; `> 100` finds all NaN, and `== NaN` finds them too. The same file read whole and
#   filtered by pyarrow gives the other answers.
# Matters: -0.0 is what rounding or negating leaves; NaN is the score of an image that could not be
#   scored: a threshold on an aesthetic or similarity score lets just those through.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet vortex-data==0.93.0 pyarrow==26.0.0 numpy==2.4.2
"$folder/venv/bin/python" - "$folder/scores.vortex" <<'PY'
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import vortex as vx

file = sys.argv[1]
score = np.arange(20_000, dtype=np.float64)
score[::7] = np.nan
zero = np.full(20_000, -0.0)
table = pa.table({"score": score, "zero": zero})
vx.io.write(table, file)
score_, zero_ = vx.expr.column("score"), vx.expr.column("zero")
questions = {
    "zero == 0": (zero_ == 0.0, pc.field("zero") == 0.0),
    "zero >= 0": (zero_ >= 0.0, pc.field("zero") >= 0.0),
    "zero < 0": (zero_ < 0.0, pc.field("zero") < 0.0),
    "score > 100": (score_ > 100.0, pc.field("score") > 100.0),
}
counts = {}
for text, (ours, theirs) in questions.items():
    rows = len(vx.open(file).scan(expr=ours).read_all())
    counts[text] = rows, table.filter(theirs).num_rows
    print(f"{text}: Vortex {counts[text][0]:,} rows, pyarrow {counts[text][1]:,}")
assert counts["zero == 0"] == counts["zero >= 0"] == (0, 20_000)
assert counts["zero < 0"] == (20_000, 0)
nan = int(np.isnan(score).sum())
assert counts["score > 100"][0] == counts["score > 100"][1] + nan
PY
