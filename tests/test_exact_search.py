"""Exact neighbours, compared with plain numpy."""

from __future__ import annotations

import numpy as np
import pytest

from clipvec.exact_search import TopK


def drawn(rows: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def search(
    store: np.ndarray, queries: np.ndarray, k: int, chunk: int, self_row: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    nearest = TopK(queries, k, self_row)
    for first in range(0, len(store), chunk):
        numbers = np.arange(first, min(first + chunk, len(store)))
        nearest.add(numbers, store[numbers])
    return nearest.neighbours()


@pytest.mark.parametrize("chunk", [1, 7, 100, 1000])
def test_the_best_rows_in_order_however_they_are_cut(chunk: int) -> None:
    store, queries = drawn(300), drawn(20, seed=1)
    rows, scores = search(store, queries, 10, chunk)
    exact = queries @ store.T
    assert rows.dtype == np.int64
    np.testing.assert_array_equal(rows, np.argsort(-exact, axis=1)[:, :10])
    np.testing.assert_allclose(scores, -np.sort(-exact, axis=1)[:, :10], atol=1e-6)


@pytest.mark.parametrize("chunk", [3, 64])
def test_equal_scores_come_in_the_order_of_the_rows(chunk: int) -> None:
    store = np.repeat(drawn(4), 8, axis=0)
    rows, _ = search(store, store[[0, 8, 16, 24]], 8, chunk)
    np.testing.assert_array_equal(rows, np.arange(32).reshape(4, 8))


@pytest.mark.parametrize("chunk", [5, 64])
def test_a_row_is_no_neighbour_of_itself(chunk: int) -> None:
    store = drawn(50)
    self_row = np.array([3, -1, 49])
    queries = np.stack([store[3], store[7], store[49]])
    rows, scores = search(store, queries, 5, chunk, self_row)
    exact = queries @ store.T
    exact[0, 3] = exact[2, 49] = -np.inf
    np.testing.assert_array_equal(rows, np.argsort(-exact, axis=1)[:, :5])
    assert rows[1, 0] == 7
    assert np.isfinite(scores).all()


def test_fewer_rows_than_neighbours() -> None:
    rows, scores = search(drawn(3), drawn(2, seed=1), 5, 2, np.array([1, -1]))
    assert (rows[0] >= 0).sum() == 2
    assert (rows[1] >= 0).sum() == 3
    assert np.isneginf(scores[0, 2:]).all()
