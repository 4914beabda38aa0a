"""Exact neighbours by inner product, among rows that come in chunks."""

from __future__ import annotations

import numpy as np


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

    def add(self, rows: np.ndarray, vectors: np.ndarray) -> None:
        """Search more rows.

        Args:
            rows: int64 [N], their numbers.
            vectors: float32 [N, D].
        """
        import faiss

        if not len(rows):
            return
        k = min(self._kept, len(rows))
        vectors = np.ascontiguousarray(vectors, np.float32)
        scores, at = faiss.knn(self._queries, vectors, k, metric=faiss.METRIC_INNER_PRODUCT)
        all_rows = np.concatenate([self._rows, rows[at]], axis=1)
        all_scores = np.concatenate([self._scores, scores], axis=1)
        # Equal scores in the order of the rows, however these were cut into chunks.
        order = np.lexsort((all_rows, -all_scores), axis=1)[:, : self._kept]
        self._rows = np.take_along_axis(all_rows, order, axis=1)
        self._scores = np.take_along_axis(all_scores, order, axis=1)

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
