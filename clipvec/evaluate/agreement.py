"""Do two models find the same images? This needs neither captions nor labels.

The overlap of the nearest neighbours, averaged over images, is how models are compared where nobody
says what is right: the mutual nearest neighbours of Huh et al. (arXiv 2405.07987). The same of
texts says what a change of model does to the queries of users. Both say how far two models differ,
and not which is better.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from clipvec.bootstrap import confidence_interval
from clipvec.evaluate.draw import drawn_vectors
from clipvec.evaluate.results import RECALL_AT, Agreement, Disagreement
from clipvec.exact_search import TopK
from clipvec.progress import Progress
from clipvec.store import keyed_hash, thumbnails
from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clipvec.evaluate.results import AskedBy
    from clipvec.store import Rows

DEPTH = max(RECALL_AT)
"""Images found for a query that are compared."""
_SHOWN, _BESIDE = 6, 5
"""Queries that a report shows of two models, and images found for each."""


@dataclass(frozen=True)
class Answers:
    """The images that one model finds for Q queries."""

    by: AskedBy
    """What the queries are."""
    queries: Sequence[str]
    """Q ids of images, or texts."""
    nearest: np.ndarray
    """str [Q, `DEPTH`], ids of images, nearest first; "" where there are fewer."""
    candidates: int
    """Images among which each was searched."""


def neighbours(rows: Rows, count: int, hashes: np.ndarray) -> Answers:
    """Return the neighbours of ``count`` images, drawn at random, among all others.

    Memory depends on ``count``, with 16 bytes a row on top, those of ``hashes`` among them.

    Args:
        rows: to search.
        count: how many are drawn, at most.
        hashes: as `hashes_of` returns them; they decide which, too.
    """
    count = min(count, len(rows))
    drawn = np.argpartition(hashes, count - 1)[:count]
    drawn = drawn[np.argsort(hashes[drawn])]
    found = _nearest(rows, drawn_vectors(rows, drawn), hashes, drawn)
    return Answers("image", rows.ids(drawn).tolist(), found, len(rows) - 1)


def answers(rows: Rows, texts: Sequence[str], vectors: np.ndarray, hashes: np.ndarray) -> Answers:
    """Return what is found for texts among all images.

    Args:
        rows: to search.
        texts: Q of them.
        vectors: of the texts, by the model of the rows: float32 [Q, D], unit length.
        hashes: as `hashes_of` returns them.
    """
    return Answers("text", texts, _nearest(rows, vectors, hashes), len(rows))


def hashes_of(rows: Rows, seed: int) -> np.ndarray:
    """Return a hash of the id of each row, uint64 [N], by which rows are drawn and equals ranked.

    It depends on the id and the seed alone: copies of an image are the same neighbours to every
    model, in whatever order its store has them.
    """
    hashes = np.empty(len(rows), np.uint64)
    for start, piece in rows.pieces(["id"]):
        ids = piece["id"].to_pylist()
        hashes[start : start + len(ids)] = [keyed_hash(id, seed) for id in ids]
    return hashes


def _nearest(
    rows: Rows, queries: np.ndarray, hashes: np.ndarray, own: np.ndarray | None = None
) -> np.ndarray:
    """Return the ids of the rows nearest to queries, str [Q, `DEPTH`].

    Args:
        rows: to search.
        queries: float32 [Q, D], unit length.
        hashes: as `hashes_of` returns them.
        own: int64 [Q], the row that each query is, and that it does not find; None: they are none.
    """
    top = TopK(queries, DEPTH, own)
    with Progress() as progress:
        task = progress.task("neighbours", len(rows), "rows")
        for first, vectors in rows.chunks():
            numbers = np.arange(first, first + len(vectors))
            top.add(numbers, unit(vectors), hashes[numbers])
            task.advance(len(vectors))
    found, _ = top.neighbours()
    return rows.ids(found)


def overlap(a: Answers, b: Answers, k: int) -> np.ndarray:
    """Return the share of each query's ``k`` nearest that both models find: float64 [Q]."""
    k = min(k, a.candidates)
    same = a.nearest[:, :k, None] == b.nearest[:, None, :k]
    shares: np.ndarray = same.any(axis=2).mean(axis=1)
    return shares


def agreements(found: Mapping[str, Answers], seed: int) -> list[Agreement]:
    """Return how far each two of some models agree; what the first disagrees about, with queries.

    Args:
        found: answers to the same queries, by the names of the models.
        seed: of the bootstrap.
    """
    first = next(iter(found), "")
    return [
        Agreement(
            a=a,
            b=b,
            by=one.by,
            queries=len(one.queries),
            candidates=one.candidates,
            overlap_at={k: confidence_interval(overlap(one, other, k), seed) for k in RECALL_AT},
            chance={k: min(k / one.candidates, 1.0) for k in RECALL_AT},
            disagreements=_disagreements(one, other) if a == first else [],
        )
        for (a, one), (b, other) in combinations(found.items(), 2)
    ]


def _disagreements(a: Answers, b: Answers) -> list[Disagreement]:
    """Return the queries whose answers overlap least; of equals, the first ones."""
    shares = overlap(a, b, DEPTH)
    least = np.argsort(shares, kind="stable")[:_SHOWN]
    return [
        Disagreement(
            query=a.queries[at],
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
        for id in (*([shown.query] if each.by == "image" else []), *shown.a, *shown.b)
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
