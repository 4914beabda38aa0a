#!/usr/bin/env bash
# ranx: Condorcet fusion gives another ranking in each process, and puts rows above rows that all runs prefer.
#
# Versions: ranx 0.3.21, numpy 2.4.6.
# Guess: `fuse([dense, sparse], method="condorcet")` is a function of its runs, and a row that both runs
#   rank above another stays above it.
# Seen: of two runs of the same 20 rows, each with its own errors, two processes make two rankings (hash
#   seeds 0 and 1), with other rows among the first ten; NDCG@10 of four is from 0.83 to 0.93. In each
#   there are pairs in the order that neither run has. rrf gives one ranking (tried by hand). The
#   candidates are a set of strings, whose order is random in Python, and are sorted by majorities
#   (get_candidates and _compare in fusion/condorcet.py). With two runs every pair that they
#   disagree about is a tie, and ties are not transitive: a sort by them keeps what it happens to find
#   first.
# Matters: two runs, one by vectors and one by words, are the usual case; the figure for this method changes
#   each time that a notebook is started. It holds for weighted Condorcet (w_condorcet) with equal
#   weights as well (tried by hand).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet ranx==0.3.21 numpy==2.4.6
cat >"$folder/fused.py" <<'PY'
import json
import sys

import numpy as np
from ranx import Run, fuse

random = np.random.default_rng(0)
rows = [f"d{number}" for number in range(20)]
runs = [
    {row: float(score) for row, score in zip(rows, -np.arange(20) + random.normal(0, 8, 20))}
    for _ in range(2)
]
scores = fuse([Run({"q": run}) for run in runs], norm=None, method="condorcet").to_dict()["q"]
order = sorted(scores, key=scores.get, reverse=True)
against = sum(
    all(run[low] > run[high] for run in runs)
    for place, high in enumerate(order)
    for low in order[place + 1 :]
)
discounts = 1 / np.log2(np.arange(2, 12))
gains = np.array([20 - rows.index(row) for row in order[:10]])
ndcg = gains @ discounts / (np.arange(20, 10, -1) @ discounts)
json.dump({"order": order, "against": against, "ndcg": float(ndcg)}, sys.stdout)
PY
cat >"$folder/compare.py" <<'PY'
import json
import os
import subprocess
import sys

seen = []
for seed in range(2):
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, "-W", "ignore", sys.argv[1]]
    run = subprocess.run(command, env=environment, capture_output=True, check=True)
    seen.append(json.loads(run.stdout))
orders = {tuple(found["order"]) for found in seen}
tops = {frozenset(found["order"][:10]) for found in seen}
against = [found["against"] for found in seen]
ndcg = [found["ndcg"] for found in seen]
print(
    f"{len(orders)} rankings, {len(tops)} sets of ten, {min(against)} to {max(against)} pairs against"
    f" both runs, NDCG@10 {min(ndcg):.2f} to {max(ndcg):.2f}"
)
assert len(orders) == len(tops) == 2 and min(against) > 0
PY
"$folder/venv/bin/python" "$folder/compare.py" "$folder/fused.py"
