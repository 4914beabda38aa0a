"""Metadata filters of given selectivities, and exact neighbours under them.

A filter compares one attribute (or the width or height of the images) and admits about the share of
rows that was asked for. Where the store has no such attribute, it is the position of a row in its
part file (``_row``, which every collection carries), which is independent of the images.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.exact_search import TopK
from clipvec.index import ROW
from clipvec.index import filters as metadata
from clipvec.recall.ground_truth import with_neighbours
from clipvec.recall.workload import Filter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clipvec.recall.results import Kind
    from clipvec.recall.workload import QuerySet
    from clipvec.store import Rows

log = logging.getLogger(__name__)
_NEAR = 1.5
"""Factor by which the selectivity of an attribute may miss."""
_MOST_VALUES = 10_000
"""Different values beyond which an attribute is not counted out."""
_SPARE = 22
"""Neighbours beyond k in the ground truth, to tell wrong rows from ties."""


def choose(rows: Rows, targets: Sequence[float], least: int) -> list[Filter]:
    """Return a filter for each of ``targets``, except those that admit ``least`` rows or fewer."""
    if not targets:
        return []
    attributes = rows.store.fingerprint.attributes
    columns = [name for name, kind in attributes.items() if kind in {"int", "string"}]
    counts = _counts(rows, [*columns, "width", "height"])
    usual = [pair for name, values in counts.items() for pair in _comparisons(name, values)]
    places = _comparisons(ROW, _places(rows))
    chosen = {}
    for target in targets:
        near = [c for c in usual if target / _NEAR <= c[1] / len(rows) <= target * _NEAR]
        condition, admitted = min(near or places, key=lambda c: abs(c[1] - target * len(rows)))
        if admitted > least:
            chosen[condition] = admitted / len(rows)
        else:
            log.info(
                "no filtered search at a selectivity of %g: %s admits %d rows, too few to miss one "
                "of %d neighbours",
                *(target, condition, admitted, least),
            )
    empty = np.zeros(-(-len(rows) // 8), np.uint8)
    return [Filter(condition, share, empty) for condition, share in chosen.items()]


def answer(
    rows: Rows, filters: Sequence[Filter], queries: Mapping[Kind, QuerySet], k: int
) -> list[Filter]:
    """Return the filters with the rows they admit and the neighbours among those of ``queries``.

    One pass over the store.
    """
    if not filters:
        return []
    best = [
        {kind: TopK(q.vectors, k + _SPARE, q.self_row) for kind, q in queries.items()}
        for _ in filters
    ]
    masks = _masks(rows, filters)
    for start, vectors in rows.chunks():
        for admits, tops in zip(masks, best, strict=True):
            admitted = np.flatnonzero(admits[start : start + len(vectors)])
            for top in tops.values():
                top.add(admitted + start, vectors[admitted])
    return [
        replace(
            filter_,
            bits=np.packbits(admits, bitorder="little"),
            query_sets={kind: with_neighbours(queries[kind], top) for kind, top in tops.items()},
        )
        for filter_, admits, tops in zip(filters, masks, best, strict=True)
    ]


def _counts(rows: Rows, columns: Sequence[str]) -> dict[str, Counter[Any]]:
    """Return how often each value of some columns occurs, without columns of very many values."""
    import pyarrow.compute as pc

    counts: dict[str, Counter[Any]] = {name: Counter() for name in columns}
    for _, piece in rows.pieces(columns):
        for name, counter in list(counts.items()):
            for pair in pc.value_counts(piece[name].drop_null()).to_pylist():
                counter[pair["values"]] += pair["counts"]
            if len(counter) > _MOST_VALUES:
                del counts[name]
    return counts


def _places(rows: Rows) -> Counter[int]:
    """Return how many parts have a row at each place."""
    places: Counter[int] = Counter()
    for part in rows.parts:
        if not part.deleted:
            places.update(range(part.rows))
            continue
        for positions, _ in rows.store.numbered(part, ["id"]):
            places.update(positions.tolist())
    return places


def _comparisons(name: str, counts: Counter[Any]) -> list[tuple[metadata.Comparison, int]]:
    """Return comparisons of a column, and how many rows each admits."""
    if counts and isinstance(next(iter(counts)), str):
        return [(metadata.Comparison(name, "=", value), count) for value, count in counts.items()]
    values = sorted(counts)
    below = np.cumsum([counts[value] for value in values])
    pairs = zip(values[1:], below[:-1], strict=True)
    return [(metadata.Comparison(name, "<", value), int(count)) for value, count in pairs]


def _masks(rows: Rows, filters: Sequence[Filter]) -> list[np.ndarray]:
    """Return which rows each filter admits, bool [N] each."""
    masks = [np.zeros(len(rows), bool) for _ in filters]
    columns = sorted({filter_.condition.key for filter_ in filters} - {ROW} | {"width"})
    for start, positions, piece in rows.placed(columns):
        held = {name: piece[name] for name in columns} | {ROW: positions}
        for admitted, filter_ in zip(masks, filters, strict=True):
            admitted[start : start + len(piece)] = metadata.mask(filter_.condition, held)
    return masks
