#!/usr/bin/env bash
# PyNNDescent: metric="dot" ranks by cosine; the dot product is called "inner_product".
#
# Versions: pynndescent 0.7.0, numpy 2.4.2.
# Guess: for vectors of unequal lengths metric="dot" finds those with the largest dot products.
# Seen: vectors and queries are normalised to unit length first, without a word: the answers are those of
#   "cosine", distances included; 3 in 10 are among the largest dot products, where "inner_product"
#   finds 97 in 100.
# Matters: maximum inner product search, as recommenders and un-normalised CLIP vectors need it, gets
#   the cosine's answers, all of them plausible.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet pynndescent==0.7.0 numpy==2.4.2
"$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from pynndescent import NNDescent

random = np.random.default_rng(0)
lengths = random.uniform(0.2, 5, (2000, 1))
vectors = (random.normal(size=(2000, 32)) * lengths).astype(np.float32)
queries = random.normal(size=(50, 32)).astype(np.float32)
dots = queries @ vectors.T
cosines = dots / np.linalg.norm(vectors, axis=1) / np.linalg.norm(queries, axis=1, keepdims=True)


def recall(found: np.ndarray, scores: np.ndarray) -> float:
    exact = np.argsort(-scores, axis=1)[:, :10]
    return float(np.mean([len({*a} & {*b}) / 10 for a, b in zip(found.tolist(), exact.tolist())]))


for metric in ("dot", "inner_product", "cosine"):
    index = NNDescent(vectors.copy(), metric=metric, n_neighbors=30, random_state=0)
    found, distances = index.query(queries.copy(), k=10, epsilon=0.3)
    by_dot, by_cosine = recall(found, dots), recall(found, cosines)
    print(f"{metric}: recall@10 {by_dot:.2f} by dot product, {by_cosine:.2f} by cosine; {distances[0, 0]:.4f}")
    if metric == "inner_product":
        assert by_dot > 0.9 > by_cosine
        continue
    assert by_cosine > 0.8 and by_dot < 0.5
    assert np.allclose(distances, 1 - np.take_along_axis(cosines, found, axis=1), atol=1e-4)
PY
