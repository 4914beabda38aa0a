#!/usr/bin/env bash
# hnswlib: an exact search (BFIndex) with a filter returns the nearest row k times, and loses the others.
#
# Versions: hnswlib 0.8.0, numpy 2.4.2.
# Guess: a brute-force search with a filter returns the k nearest of the rows that pass, whatever their order.
# Seen: once a row has passed, only rows that are nearer than the worst one so far are looked at, though
#   there are fewer than k: of ten rows that pass, added from near to far, one is found. The other places of
#   the answer hold that row and its distance again. With the same rows added in the opposite order
#   all are right, as is the approximate Index. No error: with a filter Index raises where it finds too few.
# Known: pull requests 514 (merged in 2023) and 597 (closed) of hnswlib; 0.8.0 is still the newest release.
# Matters: BFIndex is what the recall of filtered searches is measured against.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet hnswlib==0.8.0 numpy==2.4.2
"$folder/venv/bin/python" - <<'PY'
import hnswlib
import numpy as np

ROWS, K = 100, 5
query = np.zeros((1, 1), np.float32)


def search(index, order):
    index.init_index(max_elements=ROWS)
    index.add_items(np.array(order, np.float32)[:, None], order)
    ids, distances = index.knn_query(query, k=K, num_threads=1, filter=lambda row: row % 10 == 0)
    return ids[0].tolist(), distances[0].tolist()


near_first, far_first = list(range(ROWS)), list(range(ROWS))[::-1]
for name, order in (("near to far", near_first), ("far to near", far_first)):
    ids, distances = search(hnswlib.BFIndex(space="l2", dim=1), order)
    print(f"exact, added from {name}: rows {ids}, distances {distances}")
    assert ids == ([0] * K if order is near_first else [0, 10, 20, 30, 40])
    ids, _ = search(hnswlib.Index(space="l2", dim=1), order)
    print(f"approximate, added from {name}: rows {ids}")
    assert ids == [0, 10, 20, 30, 40]
PY
