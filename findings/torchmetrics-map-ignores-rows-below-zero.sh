#!/usr/bin/env bash
# TorchMetrics: MAP, MRR, precision and recall take a relevant row with a score below 0 for irrelevant.
#
# Versions: torchmetrics 1.9.0, torch 2.14.1, numpy 2.4.2.
# Guess: metrics of a ranking depend on the order of the scores alone: cosines, logits and negated
#   distances give the value that all scores in the same order give.
# Seen: the target of a row is set to 0 wherever `preds > 0` is false (retrieval_average_precision,
#   retrieval_reciprocal_rank, retrieval_precision and retrieval_recall in functional/retrieval). Scores that
#   are all negative, such as negated distances, give 0 for any ranking. Cosines around 0 give
#   a MAP of 0.52 where 0.44 is right, since the relevant rows at the end of the list no longer count, and a
#   recall of 0.61 without a top_k, which is 1 for all rows. With 1 added to each cosine both
#   are right. RetrievalNormalizedDCG and RetrievalRPrecision do not look at the sign.
# Known: pull request 3104 (2025) takes a score of 0 for "no prediction"; the documentation has nothing of it
#   and calls the scores a float tensor, or "scores/logits".
# Matters: MAP over embeddings looks better than it is, the more so the worse the model.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torchmetrics==1.9.0 torch==2.14.1 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import torch
from torchmetrics import retrieval

generator = torch.Generator().manual_seed(0)
rows, queries = torch.randn(20, 40, 16, generator=generator), torch.randn(20, 16, generator=generator)
targets = (torch.rand(20, 40, generator=generator) < 0.3).long()
rows += 0.1 * targets[..., None] * queries[:, None]
cosines = torch.nn.functional.cosine_similarity(rows, queries[:, None], dim=-1)
indexes = torch.arange(20)[:, None].expand(20, 40)


def measure(name, scores):
    return float(getattr(retrieval, name)()(scores, targets, indexes=indexes))


def average_precision(scores, target):
    relevant = target.numpy()[np.argsort(-scores.numpy())]
    return (np.cumsum(relevant) / np.arange(1, 41))[relevant == 1].mean()


ranks_alone = ("RetrievalNormalizedDCG", "RetrievalRPrecision")
true = np.mean([average_precision(*pair) for pair in zip(cosines, targets)])
scores = {"cosines": cosines, "1 + cosine": 1 + cosines, "cosine - 1": cosines - 1.001}
found = {
    name: {kind: measure(name, values) for kind, values in scores.items()}
    for name in ("RetrievalMAP", "RetrievalRecall", *ranks_alone)
}
print(f"MAP by NumPy: {true:.4f}")
for name, values in found.items():
    print(name, {kind: round(value, 4) for kind, value in values.items()})
assert abs(found["RetrievalMAP"]["1 + cosine"] - true) < 1e-5
assert found["RetrievalMAP"]["cosines"] > true + 0.02
assert found["RetrievalMAP"]["cosine - 1"] == found["RetrievalRecall"]["cosine - 1"] == 0
assert found["RetrievalRecall"]["cosines"] < found["RetrievalRecall"]["1 + cosine"] == 1
for name in ranks_alone:
    assert len({round(value, 5) for value in found[name].values()}) == 1
PY
