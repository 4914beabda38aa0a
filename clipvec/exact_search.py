"""Exact neighbours by inner product, among rows that come in chunks."""

from __future__ import annotations

import numpy as np

_ROUNDING = 1e-6
"""Scores of unit vectors in float32 that are closer than this may be of equal vectors."""


class TopK:
    """The best rows of each query so far; memory depends on the queries and not on the rows.

    Args:
        queries: float32 [Q, D].
        k: neighbours of each query.
        self_row: int64 [Q], the row that a query is, which is no neighbour of it; -1: none.
    """

    def __init__(self, queries: np.ndarray, k: int, self_row: np.ndarray | None = None) -> None:
        self._queries = np.ascontiguousarray(queries, np.float32)
        self._self_row = np.full(len(queries), -1, np.int64) if self_row is None else self_row
        self._k = k
        self._kept = k + bool((self._self_row >= 0).any())
        self._rows = np.full((len(queries), self._kept), -1, np.int64)
        self._scores = np.full((len(queries), self._kept), -np.inf, np.float32)
        self._ties = np.zeros((len(queries), self._kept), np.uint64)

    def add(self, rows: np.ndarray, vectors: np.ndarray, ties: np.ndarray | None = None) -> None:
        """Search more rows.

        Args:
            rows: int64 [N], their numbers.
            vectors: float32 [N, D].
            ties: uint64 [N], the order of rows whose scores are equal up to rounding; None: that of
                the rows, for scores that are equal.
        """
        import faiss

        if not len(rows):
            return
        # One more than is kept shows whether there are equals of the last.
        k = min(self._kept + (ties is not None), len(rows))
        vectors = np.ascontiguousarray(vectors, np.float32)
        scores, at = faiss.knn(self._queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
        if ties is not None:
            scores, at = self._untie(vectors, ties, scores, at)
        all_rows = np.concatenate([self._rows, rows[at]], axis=1)
        all_scores = np.concatenate([self._scores, scores], axis=1)
        if ties is None:
            # Equal scores in the order of the rows, however these were cut into chunks.
            order = np.lexsort((all_rows, -all_scores), axis=1)[:, : self._kept]
        else:
            all_ties = np.concatenate([self._ties, ties[at]], axis=1)
            order = _order(all_scores, all_ties)[:, : self._kept]
            self._ties = np.take_along_axis(all_ties, order, axis=1)
        self._rows = np.take_along_axis(all_rows, order, axis=1)
        self._scores = np.take_along_axis(all_scores, order, axis=1)

    def _untie(
        self, vectors: np.ndarray, ties: np.ndarray, scores: np.ndarray, at: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the best of a chunk, having looked at all that equal the last one."""
        kept = self._kept
        if scores.shape[1] > kept:
            for query in np.flatnonzero(scores[:, kept - 1] - scores[:, kept] <= _ROUNDING):
                every = vectors @ self._queries[query]
                near = np.flatnonzero(every >= scores[query, kept - 1] - _ROUNDING)
                best = near[_order(every[near], ties[near])][:kept]
                at[query, :kept], scores[query, :kept] = best, every[best]
        return scores[:, :kept], at[:, :kept]

    def neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the neighbours of each query, best first, without the query itself.

        Returns:
            row numbers, int64 [Q, k], and inner products, float32 [Q, k]; -1 and -inf where there
            are fewer rows.
        """
        itself = (self._rows == self._self_row[:, None]) & (self._self_row[:, None] >= 0)
        order = np.argsort(itself, axis=1, kind="stable")[:, : self._k]
        rows = np.take_along_axis(np.where(itself, -1, self._rows), order, axis=1)
        scores = np.where(itself, -np.inf, self._scores)
        return rows, np.take_along_axis(scores, order, axis=1).astype(np.float32)


def _order(scores: np.ndarray, ties: np.ndarray) -> np.ndarray:
    """Return how to sort scores along the last axis, the best first, and equal ones by ``ties``."""
    best = np.argsort(-scores, axis=-1, kind="stable")
    ordered = np.take_along_axis(scores, best, axis=-1)
    with np.errstate(invalid="ignore"):  # of two that are missing
        apart = ordered[..., :-1] - ordered[..., 1:] > _ROUNDING
    level = np.zeros(scores.shape, np.int64)
    level[..., 1:] = np.cumsum(apart, axis=-1)
    again = np.lexsort((np.take_along_axis(ties, best, axis=-1), level), axis=-1)
    return np.take_along_axis(best, again, axis=-1)
