#!/usr/bin/env bash
# trectools with pandas 3: R-precision counts a row as a hit if it is relevant to any query.
#
# Versions: trectools 0.0.50, pandas 3.1.1 and 2.3.3, numpy 2.4.2.
# Guess: get_rprec gives the share of a query's first R rows that are relevant to it, where R rows are.
# Seen: so it does with pandas 2. With pandas 3, which trectools' requirements allow and pip installs, a run
#   that answers each query with the row for the other one has an R-precision of 1, where precision,
#   recall and MAP are 0. It is never too low, and grows with the number of queries that share rows. No
#   error, no warning. (groupby.apply no longer passes the column "query" on, and the join with the
#   judgements then takes the columns that are left.)
# Matters: it is the measure that the other numbers are checked by, and it rises with an upgrade of pandas.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/measure.py" <<'PY'
import sys
import warnings

import pandas as pd
from trectools import TrecEval, TrecQrel, TrecRun

warnings.simplefilter("ignore", FutureWarning)


def evaluate(answers):
    judgements, run = TrecQrel(), TrecRun()
    judgements.qrels_data = pd.DataFrame(
        [("dogs", 0, "dog", 1), ("cats", 0, "cat", 1)], columns=["query", "q0", "docid", "rel"]
    )
    rows = [
        (query, "Q0", row, rank, 10.0 - rank, "run")
        for query, found in answers.items()
        for rank, row in enumerate(found, 1)
    ]
    run.run_data = pd.DataFrame(rows, columns=["query", "q0", "docid", "rank", "score", "system"])
    measures = TrecEval(run, judgements)
    return {"R-precision": measures.get_rprec(), "precision at 1": measures.get_precision(1), "MAP": measures.get_map()}


right = evaluate({"dogs": ["dog", "cat"], "cats": ["cat", "dog"]})
swapped = evaluate({"dogs": ["cat", "cow"], "cats": ["dog", "cow"]})
print(f"pandas {pd.__version__}: right {right}, swapped {swapped}")
assert set(right.values()) == {1.0}
assert swapped == {"R-precision": float(sys.argv[1]), "precision at 1": 0.0, "MAP": 0.0}
PY
for expected in 3.1.1=1 2.3.3=0; do
  python3 -m venv --clear "$folder/venv"
  "$folder/venv/bin/python" -m pip install --quiet trectools==0.0.50 pandas=="${expected%=*}" numpy==2.4.2
  "$folder/venv/bin/python" "$folder/measure.py" "${expected#*=}"
done
