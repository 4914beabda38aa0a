"""recall@k: the share of the k exact neighbours that an answer holds, ties counted as equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from clipvec.recall.workload import Questions

TIE = 2e-5
"""Scores that differ by less are equal. Rounded to float16, unit vectors are 1 long to within 2e-5,
by which Chroma's cosine and FAISS's inner product differ. The 1e-3 that ann-benchmarks allows would
take in whole ranks here: the scores of a text's hundred neighbours lie as close as that."""
_BLOCK = 20_000
"""Vectors of the store that are held at once."""


def right(
    questions: Questions, found: np.ndarray, k: int, vectors: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return for each query the share of its ``k`` neighbours that were found.

    A row counts when its exact score reaches that of the k-th neighbour, so that equal pictures
    stand in for each other (as in ann-benchmarks). Scores come from the truth; those of rows that
    the truth does not hold are computed from the store, and only where the truth ends at a score
    that such a row could reach: elsewhere it is wrong whatever its score.

    Args:
        questions: Q queries, K >= k.
        found: int64 [Q, n], row numbers, best first, -1 for none.
        k: as in recall@k.
        vectors: the store's vectors, float32 [N, D], of ascending row numbers.

    Returns:
        float64 [Q].
    """
    first = without_own(found, questions.own)[:, :k]
    least = lowest(questions.scores[:, k - 1])[:, None]
    scores = np.full(first.shape, -np.inf, np.float32)
    for i, row in enumerate(first):
        _, at, there = np.intersect1d(row, questions.rows[i], return_indices=True)
        scores[i, at] = questions.scores[i, there]
    could = np.isneginf(scores) & (first >= 0) & (questions.scores[:, -1:] >= least)
    if could.any():
        _score(scores, could, first, questions, vectors)
    shares: np.ndarray = (scores >= least).sum(axis=1) / k
    return shares


def _score(
    scores: np.ndarray,
    could: np.ndarray,
    found: np.ndarray,
    questions: Questions,
    vectors: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Fill in the exact ``scores`` of the rows ``found`` where they ``could`` be right."""
    rows = np.unique(found[could])
    for block in np.array_split(rows, -(-len(rows) // _BLOCK)):
        there = vectors(block)
        for i in np.flatnonzero(could.any(axis=1)):
            at = np.flatnonzero(could[i] & np.isin(found[i], block))
            scores[i, at] = there[np.searchsorted(block, found[i, at])] @ questions.vectors[i]


def lowest(scores: np.ndarray) -> np.ndarray:
    """Return the lowest score that counts as equal to each of ``scores``."""
    least: np.ndarray = scores - TIE
    return least


def without_own(found: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return rows found, int64 [Q, n], the query's own moved behind the others as a -1."""
    mine = found == own[:, None]
    order = np.argsort(mine, axis=1, kind="stable")
    return np.take_along_axis(np.where(mine, -1, found), order, axis=1)
