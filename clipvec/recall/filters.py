"""Metadata filters of given selectivities, and exact neighbours under them.

A filter is a comparison of one attribute (or of the picture's size) that admits about as many rows
as asked for. Where the store has none, it is the place of a row in its part file (``_row``, which
every collection carries): a choice that has nothing to do with what is on the pictures.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.recall.exact_search import Nearest
from clipvec.recall.workload import Filter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.recall.results import Kind
    from clipvec.recall.workload import Questions
    from clipvec.store import Rows

log = logging.getLogger(__name__)
_NEAR = 1.5
"""Factor by which the selectivity of an attribute may miss."""
_MOST_VALUES = 10_000
"""Different values beyond which an attribute is not counted out."""
_SPARE = 22
"""Neighbours beyond k that the truth holds, to tell wrong rows from ties."""
ROW = "_row"
_ANSWER = ("rows", "scores")


def choose(rows: Rows, targets: Sequence[float], least: int) -> list[Filter]:
    """Return a filter for each of ``targets``, without those that admit ``least`` rows or fewer."""
    attributes = rows.store.fingerprint.attributes
    columns = [name for name, kind in attributes.items() if kind in {"int", "string"}]
    counts = _counts(rows, [*columns, "width", "height"])
    usual = [pair for name, values in counts.items() for pair in _comparisons(name, values)]
    places = list(_comparisons(ROW, _places(rows)))
    chosen = {}
    for target in targets:
        near = [c for c in usual if target / _NEAR <= c[1] / len(rows) <= target * _NEAR]
        where, admitted = min(near or places, key=lambda c: abs(c[1] - target * len(rows)))
        if admitted > least:
            chosen[_words(where)] = where, admitted / len(rows)
        else:
            log.info(
                "no filtered search at a selectivity of %g: %s admits %d rows, too few to miss one "
                "of %d neighbours",
                *(target, _words(where), admitted, least),
            )
    empty = np.zeros(-(-len(rows) // 8), np.uint8)
    return [Filter(words, where, share, empty) for words, (where, share) in chosen.items()]


def answer(
    rows: Rows, filters: Sequence[Filter], asked: dict[Kind, Questions], k: int
) -> list[Filter]:
    """Return the filters with the rows that they admit, and ``asked`` with its answers under them.

    One pass over the store.
    """
    bests = [
        {kind: Nearest(q.vectors, k + _SPARE, q.own) for kind, q in asked.items()} for _ in filters
    ]
    masks = _masks(rows, filters)
    for start, vectors in rows.chunks():
        for mask, best in zip(masks, bests, strict=True):
            admitted = np.flatnonzero(mask[start : start + len(vectors)])
            for nearest in best.values():
                nearest.add(admitted + start, vectors[admitted])
    return [
        replace(
            filter_,
            bits=np.packbits(mask, bitorder="little"),
            questions={
                kind: replace(asked[kind], **dict(zip(_ANSWER, nearest.found(), strict=True)))
                for kind, nearest in best.items()
            },
        )
        for filter_, mask, best in zip(filters, masks, bests, strict=True)
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
        places.update(range(part.rows))
    return places


def _comparisons(name: str, counts: Counter[Any]) -> list[tuple[dict[str, Any], int]]:
    """Return comparisons of a column in Chroma's form, and how many rows each admits."""
    if counts and isinstance(next(iter(counts)), str):
        return [({name: {"$eq": value}}, count) for value, count in counts.items()]
    values = sorted(counts)
    below = np.cumsum([counts[value] for value in values])
    return [
        ({name: {"$lt": value}}, int(count))
        for value, count in zip(values[1:], below[:-1], strict=True)
    ]


def _masks(rows: Rows, filters: Sequence[Filter]) -> list[np.ndarray]:
    """Return which rows each filter admits, bool [N] each."""
    masks = [np.zeros(len(rows), bool) for _ in filters]
    conditions = [next(iter(filter_.where.items())) for filter_ in filters]
    columns = sorted({name for name, _ in conditions} - {ROW} | {"width"})
    for start, piece in rows.pieces(columns):
        numbers = np.arange(start, start + len(piece))
        for mask, (name, condition) in zip(masks, conditions, strict=True):
            ((operator, value),) = condition.items()
            if name == ROW:
                mask[numbers] = rows.places(numbers) < value
                continue
            held = piece[name].to_numpy(zero_copy_only=False)
            there = ~piece[name].is_null().to_numpy(zero_copy_only=False)
            mask[numbers[there]] = (
                held[there] == value if operator == "$eq" else held[there] < value
            )
    return masks


def _words(where: dict[str, Any]) -> str:
    ((name, condition),) = where.items()
    ((operator, value),) = condition.items()
    return f"{name} {'=' if operator == '$eq' else '<'} {value}"
