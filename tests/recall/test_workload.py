from __future__ import annotations

from pathlib import Path

import numpy as np

from clipvec.index.filters import Comparison
from clipvec.recall.workload import Filter, QuerySet, Workload

ROWS = np.eye(8, dtype=np.float32)[[0, 1, 2, 3, 4, 5, 5, 5]]
"""Rows 5, 6 and 7 are equal."""


def query_set(query: list[float], own: int, k: int) -> QuerySet:
    vectors = np.array([query], np.float32)
    scores = vectors @ ROWS.T
    if own >= 0:
        scores[0, own] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(scores, order, axis=1)
    return QuerySet(vectors, np.array([own]), "drawn", order, scores)


def test_save_and_load(tmp_path: Path) -> None:
    asked = query_set([1, 0, 0, 0, 0, 0, 0, 0], -1, 3)
    bits = np.array([0b1010], np.uint8)
    one = Filter(Comparison("stars", "<", 3), 0.25, bits, {"text": asked})
    Workload({"text": asked, "image": asked}, []).save(tmp_path)
    Workload({"text": asked}, [one]).save(tmp_path)
    read = Workload.load(tmp_path)
    assert list(read.query_sets) == ["text"]
    assert read.query_sets["text"].to_bytes() == asked.to_bytes()
    assert read.query_sets["text"].source == "drawn"
    (filter_,) = read.filters
    assert filter_.condition == Comparison("stars", "<", 3)
    assert (filter_.selectivity, filter_.bits.tolist()) == (0.25, [0b1010])
    np.testing.assert_equal(filter_.query_sets["text"].rows, asked.rows)
