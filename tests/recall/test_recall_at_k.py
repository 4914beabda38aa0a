from __future__ import annotations

import numpy as np
import pytest

from clipvec.exact_search import TopK
from clipvec.recall.recall_at_k import Ties, length_error, recall_at_k, without_self
from clipvec.recall.workload import QuerySet
from tests.recall.test_workload import ROWS, query_set


def never(rows: np.ndarray) -> np.ndarray:
    raise AssertionError(f"rows {rows} are read")


UNREAD = Ties(never)


@pytest.mark.parametrize(
    ("found", "share"),
    [([0, 1, 2], 1.0), ([2, 1, 0], 1.0), ([0, 1, 4], 2 / 3), ([0, -1, -1], 1 / 3), ([4, 5, 7], 0)],
)
def test_share_of_the_neighbours_found(found: list[int], share: float) -> None:
    asked = query_set([0.8, 0.5, 0.3, 0.1, 0, 0, 0, 0], -1, 4)
    assert recall_at_k(asked, np.array([found]), 3, UNREAD)[0] == pytest.approx(share)


def test_the_query_itself_does_not_count() -> None:
    asked = query_set([0.8, 0.5, 0.3, 0.1, 0, 0, 0, 0], 0, 4)
    assert recall_at_k(asked, np.array([[0, 1, 2]]), 2, UNREAD).tolist() == [1.0]
    assert recall_at_k(asked, np.array([[1, 0, 4]]), 2, UNREAD).tolist() == [0.5]
    assert without_self(np.array([[3, 0, 2, -1]]), np.array([0])).tolist() == [[3, 2, -1, -1]]


def test_equal_rows_stand_in_for_each_other() -> None:
    """Also one missing from the ground truth: its score is read from the store if needed."""
    asked = query_set([0, 0, 0, 0.5, 0, 0.8, 0, 0], -1, 2)
    assert asked.rows.tolist() == [[5, 6]]
    read: list[list[int]] = []

    def vectors(rows: np.ndarray) -> np.ndarray:
        read.append(rows.tolist())
        return ROWS[rows]

    assert recall_at_k(asked, np.array([[7, 3]]), 2, Ties(vectors)).tolist() == [0.5]
    assert recall_at_k(asked, np.array([[7, 6]]), 2, Ties(vectors)).tolist() == [1.0]
    assert read == [[3, 7], [7]]


def test_nearly_equal_scores_are_told_apart() -> None:
    asked = query_set([0.80002, 0.8, 0.7999, 0, 0, 0, 0, 0], -1, 4)
    ties = Ties(never, 3e-5)
    assert recall_at_k(asked, np.array([[1]]), 1, ties).tolist() == [1.0]
    assert recall_at_k(asked, np.array([[2]]), 1, ties).tolist() == [0.0]
    assert recall_at_k(asked, np.array([[1]]), 1, UNREAD).tolist() == [0.0]


@pytest.mark.parametrize("dim", [64, 512, 1024])
def test_a_perfect_search_by_cosine_has_a_recall_of_1(dim: int) -> None:
    """In float16 rows do not have length exactly 1; the neighbours here are close together."""
    rng = np.random.default_rng(dim)
    centre = rng.standard_normal(dim)
    near = centre + 0.02 * rng.standard_normal((20_000, dim))
    rows = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float16)
    rows = rows.astype(np.float32)
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    assert np.abs(lengths - 1).max() < length_error("float16", dim)
    queries = centre + 0.02 * rng.standard_normal((50, dim))
    queries = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)
    exact = TopK(queries, 38)
    exact.add(np.arange(len(rows)), rows)
    asked = QuerySet(queries, np.full(50, -1), "drawn", *exact.neighbours())
    by_cosine = np.argsort(-(queries @ (rows.T / lengths)), axis=1)[:, :10]
    strict = recall_at_k(asked, by_cosine, 10, Ties(rows.__getitem__))
    assert strict.mean() < 1
    ties = Ties(rows.__getitem__, 2 * length_error("float16", dim))
    assert recall_at_k(asked, by_cosine, 10, ties).tolist() == [1.0] * 50


def test_float32_is_not_rounded() -> None:
    assert length_error("float32", 64) == 0
    assert length_error("float16", 4) == 2**-11
