from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipvec.recall.recall_at_k import right, without_own
from clipvec.recall.workload import Exam, Filter, Questions

ROWS = np.eye(8, dtype=np.float32)[[0, 1, 2, 3, 4, 5, 5, 5]]
"""Rows 5, 6 and 7 are equal."""


def questions(query: list[float], own: int, k: int) -> Questions:
    vectors = np.array([query], np.float32)
    scores = vectors @ ROWS.T
    if own >= 0:
        scores[0, own] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(scores, order, axis=1)
    return Questions(vectors, np.array([own]), order, scores)


def never(rows: np.ndarray) -> np.ndarray:
    raise AssertionError(f"rows {rows} are read")


@pytest.mark.parametrize(
    ("found", "share"),
    [([0, 1, 2], 1.0), ([2, 1, 0], 1.0), ([0, 1, 4], 2 / 3), ([0, -1, -1], 1 / 3), ([4, 5, 7], 0)],
)
def test_share_of_the_neighbours_found(found: list[int], share: float) -> None:
    asked = questions([0.8, 0.5, 0.3, 0.1, 0, 0, 0, 0], -1, 4)
    assert right(asked, np.array([found]), 3, never)[0] == pytest.approx(share)


def test_the_own_row_does_not_count() -> None:
    asked = questions([0.8, 0.5, 0.3, 0.1, 0, 0, 0, 0], 0, 4)
    assert right(asked, np.array([[0, 1, 2]]), 2, never).tolist() == [1.0]
    assert right(asked, np.array([[1, 0, 4]]), 2, never).tolist() == [0.5]
    assert without_own(np.array([[3, 0, 2, -1]]), np.array([0])).tolist() == [[3, 2, -1, -1]]


def test_equal_rows_stand_in_for_each_other() -> None:
    """Also one that the truth does not hold: its score comes from the store, where needed."""
    asked = questions([0, 0, 0, 0.5, 0, 0.8, 0, 0], -1, 2)
    assert asked.rows.tolist() == [[5, 6]]
    read: list[list[int]] = []

    def vectors(rows: np.ndarray) -> np.ndarray:
        read.append(rows.tolist())
        return ROWS[rows]

    assert right(asked, np.array([[7, 3]]), 2, vectors).tolist() == [0.5]
    assert right(asked, np.array([[7, 6]]), 2, vectors).tolist() == [1.0]
    assert read == [[3, 7], [7]]


def test_nearly_equal_scores_are_told_apart() -> None:
    asked = questions([0.80002, 0.8, 0.7999, 0, 0, 0, 0, 0], -1, 4)
    assert right(asked, np.array([[1]]), 1, never).tolist() == [1.0]
    assert right(asked, np.array([[2]]), 1, never).tolist() == [0.0]


def test_save_and_load(tmp_path: Path) -> None:
    asked = {"text": questions([1, 0, 0, 0, 0, 0, 0, 0], -1, 3)}
    bits = np.array([0b1010], np.uint8)
    exam = Exam(asked, [Filter("stars < 3", {"stars": {"$lt": 3}}, 0.25, bits, asked)])
    exam.save(tmp_path)
    read = Exam.load(tmp_path)
    assert list(read.questions) == ["text"]
    np.testing.assert_equal(read.questions["text"].scores, asked["text"].scores)
    (filter_,) = read.filters
    assert (filter_.words, filter_.where) == ("stars < 3", {"stars": {"$lt": 3}})
    assert (filter_.selectivity, filter_.bits.tolist()) == (0.25, [0b1010])
    np.testing.assert_equal(filter_.questions["text"].rows, asked["text"].rows)
