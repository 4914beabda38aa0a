"""Exact search over a collection, for rows that its graph does not reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import chromadb

_PAGE = 5000


def pages(
    rows: chromadb.Collection, where: dict[str, Any] | None
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield the ids and vectors (float32 [N, D]) of the rows that ``where`` admits."""
    start = 0
    while True:
        found = rows.get(
            where=where,
            limit=_PAGE,
            offset=start,
            include=["embeddings"],
        )
        if not found["ids"]:
            return
        yield found["ids"], np.asarray(found["embeddings"], np.float32)
        start += len(found["ids"])


def search(
    pages: Iterable[tuple[list[str], np.ndarray]], queries: np.ndarray, k: int
) -> list[tuple[list[str], list[float]]]:
    """Return the ids and cosines of the ``k`` rows closest to each query, best first."""
    best: list[list[tuple[float, str]]] = [[] for _ in queries]
    wanted = unit(queries)
    for ids, vectors in pages:
        scores = wanted @ unit(vectors).T
        for i, row in enumerate(scores):
            best[i] += zip(row.clip(-1, 1).tolist(), ids, strict=True)
            best[i] = sorted(best[i], key=lambda pair: -pair[0])[:k]
    return [([id for _, id in rows], [score for score, _ in rows]) for rows in best]
