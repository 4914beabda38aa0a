"""recall@k: the share of the k exact neighbours that an answer holds, ties counted as equal.

A row counts when its exact score reaches that of the k-th neighbour, so that equal images stand in
for each other, as in ann-benchmarks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from clipvec.recall.workload import QuerySet
    from clipvec.store import Rows

_FLOAT32 = 1e-6
"""Rounding of an inner product of unit vectors in float32."""
_HALF_ULP = 2.0**-11
"""Largest relative rounding error of a float16."""
_BLOCK = 20_000
"""Vectors of the store that are held at once."""


def length_error(dtype: str, dim: int) -> float:
    """Return how far unit vectors that were rounded to ``dtype`` may be from length 1.

    The errors of single numbers average out: for random directions, at most 2.1e-4 was measured in
    64 dimensions, 7.8e-5 in 512, and 5.1e-5 in 1,024.
    """
    return min(1.0, 3.7 / np.sqrt(dim)) * _HALF_ULP if dtype == "float16" else 0.0


@dataclass(frozen=True)
class Ties:
    """Which scores count as equal, and where scores that the ground truth lacks come from.

    An index by cosine and one by inner product rank rounded vectors differently: by the length
    errors of the k-th neighbour and of the row found in its place. Their sum, relative to the
    score, is the tolerance. The 1e-3 that ann-benchmarks allows would span whole ranks: the hundred
    neighbours of a text lie as close together as that.
    """

    vectors: Callable[[np.ndarray], np.ndarray]
    """The store's vectors, float32 [N, D], of ascending row numbers."""
    tolerance: float = 0.0
    """Relative to a score."""

    @classmethod
    def of(cls, rows: Rows) -> Ties:
        """Return what counts as equal in a store."""
        return cls(rows.vectors, 2 * length_error(rows.store.fingerprint.dtype, rows.dim))

    def lowest(self, scores: np.ndarray) -> np.ndarray:
        """Return the lowest score that counts as equal to each of ``scores``."""
        least: np.ndarray = scores - self.tolerance * np.abs(scores) - _FLOAT32
        return least


def recall_at_k(queries: QuerySet, found: np.ndarray, k: int, ties: Ties) -> np.ndarray:
    """Return for each query the share of its ``k`` neighbours that were found.

    Scores come from the ground truth. Those of rows that it does not hold are computed from the
    store, and only where the ground truth ends at a score that such a row could reach.

    Args:
        queries: Q queries, K >= k.
        found: int64 [Q, n], row numbers, best first, -1 for none.
        k: as in recall@k.
        ties: which scores count as equal.

    Returns:
        float64 [Q].
    """
    first = without_self(found, queries.self_row)[:, :k]
    least = ties.lowest(queries.scores[:, k - 1])[:, None]
    scores = np.full(first.shape, -np.inf, np.float32)
    for i, row in enumerate(first):
        _, at, there = np.intersect1d(row, queries.rows[i], return_indices=True)
        scores[i, at] = queries.scores[i, there]
    could = np.isneginf(scores) & (first >= 0) & (queries.scores[:, -1:] >= least)
    if could.any():
        _score(scores, could, first, queries.vectors, ties)
    shares: np.ndarray = (scores >= least).sum(axis=1) / k
    return shares


def _score(
    scores: np.ndarray, could: np.ndarray, found: np.ndarray, queries: np.ndarray, ties: Ties
) -> None:
    """Fill in the exact ``scores`` of the rows ``found`` where they ``could`` be neighbours."""
    rows = np.unique(found[could])
    for block in np.array_split(rows, -(-len(rows) // _BLOCK)):
        there = ties.vectors(block)
        for i in np.flatnonzero(could.any(axis=1)):
            at = np.flatnonzero(could[i] & np.isin(found[i], block))
            scores[i, at] = there[np.searchsorted(block, found[i, at])] @ queries[i]


def without_self(found: np.ndarray, self_row: np.ndarray) -> np.ndarray:
    """Return rows found, int64 [Q, n], with the query itself moved to the end as a -1."""
    itself = found == self_row[:, None]
    order = np.argsort(itself, axis=1, kind="stable")
    return np.take_along_axis(np.where(itself, -1, found), order, axis=1)
