"""The rank of the best right candidate of each query among all candidates, which come in chunks.

Candidates of equal scores are taken to be in random order, of which the expected recall is
computed: equal images with other captions cost what they should, and a model that gives all images
one vector is at chance (Sun et al., arXiv 1911.03903, section 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_QUERIES = 1024
"""Queries whose scores with a chunk are held at once: 67 MB of 16,384 candidates."""
_ROUNDING = 1e-5
"""Scores of unit vectors in float32 that are closer than this are compared in float64."""
_NUMBERS = 2**22
"""Numbers of vectors that are multiplied in float64 at once."""


@dataclass(frozen=True)
class Ranks:
    """Where the best right candidate of each of Q queries stands."""

    above: np.ndarray
    """int64 [Q]: candidates of higher scores; all of them are wrong."""
    wrong: np.ndarray
    """int64 [Q]: wrong candidates of the same score."""
    right: np.ndarray
    """int64 [Q]: right candidates of the same score, at least 1."""

    def recall_at(self, k: int) -> np.ndarray:
        """Return how likely a right candidate is among the first ``k``: float64 [Q] from 0 to 1."""
        return 1 - none_right(self.right, self.wrong, k - self.above)

    @property
    def expected(self) -> np.ndarray:
        """The expected rank, from 1: float64 [Q]."""
        ranks: np.ndarray = self.above + 1 + self.wrong / (self.right + 1)
        return ranks


def none_right(right: np.ndarray, wrong: np.ndarray, drawn: np.ndarray | int) -> np.ndarray:
    """Return how likely no right candidate is among some ``drawn`` at random: float64 [Q].

    Args:
        right: int64 [Q], right candidates.
        wrong: int64 [Q], wrong candidates.
        drawn: int64 [Q], how many are drawn; all if there are fewer, none if it is negative.
    """
    drawn = np.broadcast_to(drawn, right.shape)
    missed = np.ones(len(right))
    for i in range(int(drawn.max(initial=0))):
        left = np.maximum(wrong - i, 0) / np.maximum(right + wrong - i, 1)
        missed *= np.where(i < drawn, left, 1.0)
    return missed


class RankCounter:
    """Counts the candidates that score as high as the best right one of each query, or higher.

    Args:
        queries: float32 [Q, D], unit length.
        best: float64 [Q], the highest score of a right candidate, as `scores` returns it.
        right: int64 [Q], right candidates of that score.
    """

    def __init__(self, queries: np.ndarray, best: np.ndarray, right: np.ndarray) -> None:
        self._queries, self._best, self._right = queries, best, right
        self._above = np.zeros(len(queries), np.int64)
        self._equal = np.zeros(len(queries), np.int64)

    def add(self, candidates: np.ndarray) -> None:
        """Compare more candidates, float32 [N, D], unit length; the right ones are among them."""
        for first in range(0, len(self._queries), _QUERIES):
            some = slice(first, first + _QUERIES)
            margins = self._queries[some] @ candidates.T
            margins -= self._best[some, None].astype(np.float32)
            self._above[some] += (margins > _ROUNDING).sum(axis=1)
            queries, near = np.nonzero(np.abs(margins, out=margins) <= _ROUNDING)
            self._compare(queries + first, near, candidates)

    def _compare(self, queries: np.ndarray, near: np.ndarray, candidates: np.ndarray) -> None:
        """Compare pairs of close scores in float64."""
        count, total = max(1, _NUMBERS // candidates.shape[1]), len(self._queries)
        for first in range(0, len(queries), count):
            these, those = queries[first : first + count], near[first : first + count]
            exact, best = scores(self._queries[these], candidates[those]), self._best[these]
            self._above += np.bincount(these[exact > best], minlength=total)
            self._equal += np.bincount(these[exact == best], minlength=total)

    def ranks(self) -> Ranks:
        """Return what was counted."""
        return Ranks(self._above, self._equal - self._right, self._right)


def scores(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Return the inner product of each pair of rows, float64 [N]; the same for the same pair.

    Products of float32 are exact in float64, and each row is summed in the same order.
    """
    products = np.multiply(queries, candidates, dtype=np.float64)
    total: np.ndarray = products.sum(axis=1)
    return total
