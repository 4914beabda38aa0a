"""From nearest neighbours to the rows that are shown: re-ranked, without near-duplicates."""

from __future__ import annotations

from asyncio import to_thread
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clipvec.index import clamp
from clipvec.service.schema import MAX_K
from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from clipvec.index import Hit
    from clipvec.service.schema import Options

_CANDIDATES = 10
"""Times as many rows are fetched as are wanted, where they are re-ranked."""
_MOST = 4 * MAX_K


class ScoreBaseline:
    """Mean and spread of a query's scores over a sample of all rows.

    Cosines of texts with images lie in another range than those of images with images, and every
    model has its own ranges: only a z-score reads the same for all of them.

    Args:
        sample: float32 [N, D], unit length.
    """

    def __init__(self, sample: np.ndarray) -> None:
        self._sample = sample

    def spread(self, vector: np.ndarray) -> tuple[float, float]:
        """Return mean and standard deviation of the cosines of a unit ``vector``, float32 [D]."""
        if len(self._sample) < 2:
            return 0.0, 1.0
        scores = self._sample @ vector
        return float(scores.mean()), max(float(scores.std()), 1e-6)


async def best(
    nearest: Callable[[int], Awaitable[list[Hit]]],
    vectors_of: Callable[[Sequence[str]], Awaitable[dict[str, np.ndarray]]],
    vector: np.ndarray,
    options: Options,
) -> list[Hit]:
    """Return the best ``options.k`` rows.

    Args:
        nearest: searches the index for so many rows.
        vectors_of: the vectors of rows, float32 [D] each.
        vector: of the query, float32 [D], unit length.
        options: ``rerank`` fetches ten times as many rows and orders them by their own
            vectors; ``hide_duplicates`` fetches as many more as it takes to fill ``k``.
    """
    if not options.rerank and options.hide_duplicates is None:
        return await nearest(options.k)
    fetch = options.k * (_CANDIDATES if options.rerank else 2)
    while True:
        fetch = min(fetch, _MOST)
        found = await nearest(fetch)
        vectors = await vectors_of([hit.id for hit in found])
        # thousands of rows take a second, which is not the event loop's to spend
        hits = await to_thread(rerank, found, vectors, vector) if options.rerank else found
        least = options.hide_duplicates
        if least is not None:
            hits = await to_thread(without_duplicates, hits, vectors, least, options.k)
        if len(hits) >= options.k or len(found) < fetch or fetch == _MOST:
            return hits[: options.k]
        fetch *= 4


def rerank(hits: Sequence[Hit], vectors: dict[str, np.ndarray], vector: np.ndarray) -> list[Hit]:
    """Return hits with the cosines of their own vectors, best first."""
    scored = [
        replace(hit, score=clamp(unit(vectors[hit.id]) @ vector))
        for hit in hits
        if hit.id in vectors
    ]
    return sorted(scored, key=lambda hit: (-hit.score, hit.id))


def without_duplicates(
    hits: Sequence[Hit], vectors: dict[str, np.ndarray], least: float, k: int
) -> list[Hit]:
    """Return the first ``k`` hits whose cosine to all better ones is below ``least``."""
    kept: list[Hit] = []
    shown = np.empty((min(k, len(hits)), len(next(iter(vectors.values()), ()))), np.float32)
    for hit in hits:
        if hit.id not in vectors:
            continue
        candidate = unit(vectors[hit.id])
        if not kept or float((shown[: len(kept)] @ candidate).max()) < least:
            shown[len(kept)] = candidate
            kept.append(hit)
        if len(kept) == k:
            break
    return kept
