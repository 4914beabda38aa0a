from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from clipvec.index import Hit
from clipvec.service import ranking
from clipvec.service.schema import Options

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(60, 8)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
VECTORS[1:20] = VECTORS[0]  # twenty copies of one image
QUERY = VECTORS[0]
SCORES = VECTORS @ QUERY
ORDER = sorted(range(60), key=lambda i: (-SCORES[i], f"{i:02}"))


def hit(i: int, score: float) -> Hit:
    return Hit(id=f"{i:02}", score=score, uri="", caption=None, width=1, height=1)


def best(options: Options, blur: float = 0.0) -> tuple[list[Hit], list[int]]:
    """Return the rows and the sizes of all fetches, for an index whose scores err by ``blur``."""
    asked: list[int] = []
    noisy = SCORES + blur * RNG.normal(size=60)

    async def nearest(k: int) -> list[Hit]:
        asked.append(k)
        order = np.argsort(-noisy, kind="stable") if blur else ORDER
        return [hit(i, float(noisy[i])) for i in order[:k]]

    async def vectors_of(ids: Sequence[str]) -> dict[str, np.ndarray]:
        return {id: VECTORS[int(id)] for id in ids}

    return asyncio.run(ranking.best(nearest, vectors_of, QUERY, options)), asked


def test_plain() -> None:
    hits, asked = best(Options(k=25))
    assert [h.id for h in hits] == [f"{i:02}" for i in ORDER[:25]]
    assert asked == [25]


def test_rerank_fixes_the_order_and_the_scores() -> None:
    hits, asked = best(Options(k=6, rerank=True), blur=0.05)
    assert asked == [60]
    assert [h.id for h in hits] == [f"{i:02}" for i in ORDER[:6]]
    assert [h.score for h in hits] == pytest.approx([1.0] * 6)


def test_duplicates_are_hidden_and_replaced() -> None:
    hits, asked = best(Options(k=5, hide_duplicates=0.99))
    assert [h.id for h in hits] == ["00", *(f"{i:02}" for i in ORDER[20:24])]
    assert asked == [10, 40]  # the first ten rows were all copies


def test_fewer_if_no_more_match() -> None:
    hits, _ = best(Options(k=50, hide_duplicates=0.99))
    assert len(hits) == 41


def test_score_baseline() -> None:
    mean, deviation = ranking.ScoreBaseline(VECTORS).spread(QUERY)
    assert mean == pytest.approx(SCORES.mean(), abs=1e-6)
    assert deviation == pytest.approx(SCORES.std(), abs=1e-6)
    assert ranking.ScoreBaseline(VECTORS[:1]).spread(QUERY) == (0.0, 1.0)
