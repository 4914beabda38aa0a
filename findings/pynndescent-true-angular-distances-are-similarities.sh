#!/usr/bin/env bash
# PyNNDescent: the distances of metric="true_angular" are similarities, but for a row's own, which is 0.
#
# Versions: pynndescent 0.7.0, numpy 2.4.2.
# Guess: `query` and `neighbor_graph` give the angle (in some unit) in ascending order, 0 for a row itself.
# Seen: both give one minus the angle divided by pi, in descending order: the nearest has the largest
#   number. The row itself has 1 in `query` and 0 in `neighbor_graph`, where its neighbours follow with
#   0.69, 0.69, ...: the one entry that is a distance. "cosine" and "euclidean" ascend from 0.
# Matters: a threshold ("duplicates are below 0.05") keeps nothing but the row itself, and one "above"
#   keeps all but the row itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pynndescent==0.7.0 numpy==2.4.2
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from pynndescent import NNDescent

vectors = np.random.default_rng(0).normal(size=(1000, 32)).astype(np.float32)
unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
index = NNDescent(vectors.copy(), metric="true_angular", n_neighbors=15, random_state=0)
graph, in_graph = index.neighbor_graph
found, answered = index.query(vectors[:100].copy(), k=5, epsilon=0.3)


def angles(rows: np.ndarray) -> np.ndarray:
    cosines = np.einsum("nd,nkd->nk", unit[: len(rows)], unit[rows])
    return np.arccos(np.clip(cosines, -1, 1)) / np.pi


print("graph:", in_graph[0, :3].round(4), "query:", answered[0, :3].round(4))
assert (graph[:, 0] == np.arange(1000)).all() and (found[:, 0] == np.arange(100)).all()
assert (in_graph[:, 0] == 0).all() and np.allclose(answered[:, 0], 1, atol=1e-2)
assert np.allclose(in_graph[:, 1:], 1 - angles(graph)[:, 1:], atol=1e-2)
assert np.allclose(answered, 1 - angles(found), atol=1e-2)
assert (np.diff(in_graph[:, 1:]) <= 1e-6).all() and (np.diff(answered) <= 1e-6).all()
PY
