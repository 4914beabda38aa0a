"""Do two models find the same neighbours? This needs neither captions nor labels.

The overlap of the nearest neighbours, averaged over images, is how models are compared where nobody
says what is right: the mutual nearest neighbours of Huh et al. (arXiv 2405.07987). It says how far
two models differ, and not which is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from clipvec.bootstrap import confidence_interval
from clipvec.evaluate.draw import Draw, drawn_vectors
from clipvec.evaluate.results import RECALL_AT, Agreement, Disagreement
from clipvec.exact_search import TopK
from clipvec.progress import Progress
from clipvec.store import keyed_hash, thumbnails
from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clipvec.store import Rows

DEPTH = max(RECALL_AT)
"""Neighbours of an image that are compared."""
_SHOWN, _BESIDE = 6, 5
"""Images that a report shows of two models, and neighbours of each."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest other images of Q images, by one model."""

    images: np.ndarray
    """str [Q], their ids."""
    nearest: np.ndarray
    """str [Q, `DEPTH`], ids of other images, nearest first; "" where there are fewer."""
    candidates: int
    """Images among which each was searched."""


def neighbours(rows: Rows, count: int, seed: int) -> Neighbours:
    """Return the neighbours of ``count`` images, drawn at random, among all others.

    Equal scores come in an order that depends on the ids alone: copies of an image are the same
    neighbours to every model, in whatever order its store has them. One pass over the vectors;
    memory depends on ``count``, with 8 bytes a row on top.
    """
    draw: Draw[int] = Draw(count, seed)
    ties = np.empty(len(rows), np.uint64)
    for start, piece in rows.pieces(["id"]):
        for row, id in enumerate(piece["id"].to_pylist(), start):
            draw.add(id, row)
            ties[row] = keyed_hash(id, seed)
    drawn = np.array(draw.items(), np.int64)
    top = TopK(drawn_vectors(rows, drawn), DEPTH, drawn)
    with Progress() as progress:
        task = progress.task("neighbours", len(rows), "rows")
        for first, vectors in rows.chunks():
            numbers = np.arange(first, first + len(vectors))
            top.add(numbers, unit(vectors), ties[numbers])
            task.advance(len(vectors))
    found, _ = top.neighbours()
    ids = rows.ids(np.column_stack([drawn, found]))
    return Neighbours(ids[:, 0], ids[:, 1:], len(rows) - 1)


def overlap(a: Neighbours, b: Neighbours, k: int) -> np.ndarray:
    """Return the share of each image's ``k`` nearest that both models find: float64 [Q]."""
    k = min(k, a.candidates)
    same = a.nearest[:, :k, None] == b.nearest[:, None, :k]
    shares: np.ndarray = same.any(axis=2).mean(axis=1)
    return shares


def agreements(found: Mapping[str, Neighbours], seed: int) -> list[Agreement]:
    """Return how far each two of some models agree; what the first disagrees about, with images.

    Args:
        found: neighbours of the same images, by the names of the models.
        seed: of the bootstrap.
    """
    first = next(iter(found), "")
    return [
        Agreement(
            a=a,
            b=b,
            images=len(one.images),
            candidates=one.candidates,
            overlap_at={k: confidence_interval(overlap(one, other, k), seed) for k in RECALL_AT},
            chance={k: min(k / one.candidates, 1.0) for k in RECALL_AT},
            disagreements=_disagreements(one, other) if a == first else [],
        )
        for (a, one), (b, other) in combinations(found.items(), 2)
    ]


def _disagreements(a: Neighbours, b: Neighbours) -> list[Disagreement]:
    """Return the images whose neighbours overlap least; of equals, those drawn first."""
    shares = overlap(a, b, DEPTH)
    least = np.argsort(shares, kind="stable")[:_SHOWN]
    return [
        Disagreement(
            image=str(a.images[at]),
            overlap=float(shares[at]),
            a=[id for id in a.nearest[at, :_BESIDE].tolist() if id],
            b=[id for id in b.nearest[at, :_BESIDE].tolist() if id],
        )
        for at in least
        if shares[at] < 1
    ]


def pictures(stores: Sequence[Rows], found: Iterable[Agreement]) -> dict[str, bytes]:
    """Return thumbnails of the images that models disagree about, JPEG by id.

    Args:
        stores: of the same images; the first that has thumbnails is read.
        found: names the images.
    """
    wanted = {
        id
        for each in found
        for shown in each.disagreements
        for id in (shown.image, *shown.a, *shown.b)
    }
    having = [rows for rows in stores if rows.store.fingerprint.thumbnail]
    if not wanted or not having:
        return {}
    rows = having[0]
    places = [
        (part.file, position, id)
        for part in rows.parts
        for positions, piece in rows.store.numbered(part, ["id"])
        for position, id in zip(positions.tolist(), piece["id"].to_pylist(), strict=True)
        if id in wanted
    ]
    read = thumbnails.read(rows.store.url, places)
    held = ((id, read.get(thumbnails.key(part, id))) for part, _, id in places)
    return {id: jpeg for id, jpeg in held if jpeg is not None}
