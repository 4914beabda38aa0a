#!/usr/bin/env bash
# TorchEval: a model that gives every class the same score has a hit rate of 1 and a reciprocal rank of 1.
#
# Versions: torcheval 0.0.7, torch 2.14.1, numpy 2.4.2.
# Guess: ties are broken in some order or averaged: of 1,000 classes with equal scores hit_rate(k=1) is about
#   0.001, and reciprocal_rank small.
# Seen: the rank of the target is the number of classes with a score strictly above its own (torch.gt in
#   metrics/functional/ranking), so among equals it is always first, and both are 1.0 for every
#   sample. multiclass_accuracy with k=5 does the same; with k=1 it takes the first maximum.
# Matters: scores that are equal are what saturated, clipped, masked or quantised ones become: random scores
#   of 1,000 classes, rounded to 256 levels, hit with 0.008 in place of 0.001, rounded to 16 with 0.06;
#   a model that has collapsed to one vector is perfect.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet torcheval==0.0.7 torch==2.14.1 numpy==2.4.2
"$folder/venv/bin/python" -W ignore - <<'PY'
import torch
from torcheval.metrics import functional

target = torch.arange(1000)
equal = torch.full((1000, 1000), 0.1)
hits = functional.hit_rate(equal, target, k=1).mean().item()
ranks = functional.reciprocal_rank(equal, target).mean().item()
fifth = functional.multiclass_accuracy(equal, target, k=5).item()
first = functional.multiclass_accuracy(equal, target).item()
print(f"equal scores: hit rate {hits}, reciprocal rank {ranks}, accuracy@5 {fifth}, accuracy {first}")
assert hits == ranks == fifth == 1 and first < 0.01

chance = torch.rand(1000, 1000, generator=torch.Generator().manual_seed(0))
for levels in (2**20, 256, 16):
    rounded = (chance * levels).floor()
    print(f"{levels} levels: hit rate {functional.hit_rate(rounded, target, k=1).mean().item():.3f}")
assert functional.hit_rate(rounded, target, k=1).mean() > 0.03
assert functional.hit_rate(chance, target, k=1).mean() < 0.005, "chance"
PY
