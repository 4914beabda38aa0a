#!/usr/bin/env bash
# TorchMetrics: RetrievalMAP(top_k=k) is divided by what was found, so that a further hit lowers it.
#
# Versions: torchmetrics 1.9.0, torch 2.14.1.
# Guess: average precision at k is the sum of the precisions at the hits among the first k, divided by the
#   number of relevant rows, as in trec_eval's map_cut, or by the smaller of it and k, as is usual for
#   recommenders: a ranking with one hit more in its first k never has less.
# Seen: it is divided by the number of hits among the first k. One hit at the first place has 1.0 whether 1 or
#   100 rows are relevant, and at whatever k; with a second hit at the third place it has 0.83.
#   Without top_k the divisor is the number of relevant rows (retrieval_average_precision in
#   functional/retrieval/average_precision.py takes the mean over the hits of the cut list).
# Known: issue 9989 of PyTorch Geometric (open) has that its own MAP differs; the documentation has "consider
#   only the top k elements".
# Matters: by MAP@10 the model that finds one of ten images first beats the one that finds two.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torchmetrics==1.9.0 torch==2.14.1 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import torch
from torchmetrics.retrieval import RetrievalMAP

scores = torch.linspace(1, 0.01, 100)
indexes = torch.zeros(100, dtype=torch.long)


def average_precision(hits, relevant, top_k):
    """AP of a ranking that has relevant rows at `hits` and the rest of them at its end."""
    target = torch.zeros(100, dtype=torch.long)
    target[hits] = 1
    target[100 - (relevant - len(hits)) :] = 1
    return float(RetrievalMAP(top_k=top_k)(scores, target, indexes=indexes))


for relevant in (2, 10, 50):
    one, two = average_precision([0], relevant, 10), average_precision([0, 2], relevant, 10)
    trec_one, trec_two = 1 / relevant, (1 + 2 / 3) / relevant
    print(f"{relevant} relevant: AP@10 of one hit {one:.2f}, of two {two:.2f};", end=" ")
    print(f"over all relevant {trec_one:.2f} and {trec_two:.2f}")
    assert one == 1 and abs(two - 5 / 6) < 1e-6
whole = [average_precision(hits, 10, None) for hits in ([0], [0, 2])]
print("without top_k:", whole)
assert whole[0] < whole[1] < 0.4
PY
