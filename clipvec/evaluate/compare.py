"""Which of two models is better: compared query by query."""

from __future__ import annotations

from itertools import combinations
from math import ceil
from typing import TYPE_CHECKING

from clipvec.bootstrap import difference_interval
from clipvec.evaluate.results import RECALL_AT, Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np

    from clipvec.evaluate.measure import Measured
    from clipvec.evaluate.results import Direction, Method

POINT = 0.01
"""The difference that is worth seeing."""
_LIMIT, _POWER = 1.96, 0.84
"""Standard errors of the 95 % interval, and those beyond it that make four in five chances."""


def compare(models: Sequence[Measured], seed: int) -> list[Comparison]:
    """Return how each two of some models differ, all measured on the same queries."""
    return [
        Comparison(
            a=a.result.model,
            b=b.result.model,
            figure=figure,
            k=k,
            difference=difference_interval(gains, seed),
            queries=len(gains),
            more_queries=more_queries(gains),
        )
        for a, b in combinations(models, 2)
        for figure, k, gains in _gains(a, b)
    ]


def _gains(a: Measured, b: Measured) -> Iterator[tuple[Direction | Method, int | None, np.ndarray]]:
    """Yield each figure, its k, and by how much b does better on each query, float64 [Q]."""
    for direction, found in a.retrieval.items():
        other = b.retrieval[direction]
        for k in RECALL_AT:
            yield direction, k, other.ranks.recall_at(k) - found.ranks.recall_at(k)
    for method, right in a.right.items():
        yield method, None, b.right[method].astype(float) - right


def more_queries(gains: np.ndarray) -> int:
    """Return how many more queries would show a difference of `POINT` with four chances in five.

    Args:
        gains: float64 [Q], differences on single queries.
    """
    # Models that rarely differed yet: where they differ by a point, one query in a hundred does.
    variance = max(float(gains.var()), POINT - POINT**2)
    needed = ceil((_LIMIT + _POWER) ** 2 * variance / POINT**2)
    return max(needed - len(gains), 0)
