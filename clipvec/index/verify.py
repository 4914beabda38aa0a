"""Does the index hold what the store holds?"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from clipvec.errors import CollectionError
from clipvec.index.backend import duplicate_id_message
from clipvec.store import EMBEDDING, matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.index.backend import IndexWriter
    from clipvec.index.base import Hit, VectorIndex
    from clipvec.store import LivePart, Store

log = logging.getLogger(__name__)
SAMPLE = 100
"""Rows that are looked up and queried."""
_DELETED = 10
"""Deleted rows of a part, and parts with such rows, that are looked for."""
_SAME = 1e-5
"""Largest distance, 1 - cosine, between two copies of one vector."""
_MISSES = 0.25
"""Share of the sample that an approximate index may fail to find. HNSW does for some rows of any
graph, for more of a large one: 6 in 100 of 900,000 synthetic vectors with 16 links. Beyond this
share the index is broken."""


def verify(index: VectorIndex, writer: IndexWriter, store: Store, parts: Sequence[LivePart]) -> str:
    """Return a summary of what was verified.

    Raises:
        CollectionError: rows are missing, duplicate, left over, or differ from the store, or
            deleted ones are still found.
    """
    rows = sum(part.rows for part in parts)
    if index.count() != rows:
        raise CollectionError(_why_count_differs(index, writer, store, parts))
    _check_deleted(index, store, parts)
    if not rows:
        return "empty"
    sample = _sample(store, parts, rows)
    _check_vectors(index, sample)
    missed, hint = _missed(index, sample), f"--rebuild {writer.rebuild_hint}".strip()
    if len(missed) > (0 if index.capabilities.exact else _MISSES * len(sample)):
        raise CollectionError(
            f"{len(missed)} of {len(sample)} rows of {index.location} are not found by their own "
            f"vectors ({', '.join(missed[:3])}); rebuild it with {hint}"
        )
    if missed:
        log.warning(
            "%d of %d rows are not found by their own vectors (%s); %s would find more",
            *(len(missed), len(sample), ", ".join(missed[:3]), hint),
        )
    return f"{len(sample) - len(missed)} of {len(sample)} rows found by their own vectors"


def _sample(store: Store, parts: Sequence[LivePart], rows: int) -> dict[str, np.ndarray]:
    """Return the vectors of rows at even distances over the whole store, by id."""
    positions = np.unique(np.linspace(0, rows - 1, min(SAMPLE, rows)).astype(int))
    ends = np.cumsum([part.rows for part in parts])
    wanted: dict[int, list[int]] = defaultdict(list)
    for position in positions:
        part = int(np.searchsorted(ends, position, side="right"))
        wanted[part].append(int(position - ends[part] + parts[part].rows))
    sample: dict[str, np.ndarray] = {}
    for part, offsets in wanted.items():
        first = 0
        for piece in store.read(parts[part], ["id", EMBEDDING]):
            here = [o - first for o in offsets if first <= o < first + len(piece)]
            first += len(piece)
            if here:
                vectors = matrix(piece)
                sample.update({piece["id"][i].as_py(): vectors[i] for i in here})
    return sample


def _check_vectors(index: VectorIndex, sample: dict[str, np.ndarray]) -> None:
    """Refuse rows that are missing, or have another vector than in the store."""
    there = index.vectors(list(sample))
    wrong = [
        id
        for id, vector in sample.items()
        if id not in there or not np.allclose(there[id], vector, atol=1e-4)
    ]
    if wrong:
        raise CollectionError(
            f"{len(wrong)} of {len(sample)} rows of {index.location} are missing or have another "
            f"vector than the store ({', '.join(wrong[:3])}); rebuild it with --rebuild"
        )


def _check_deleted(index: VectorIndex, store: Store, parts: Sequence[LivePart]) -> None:
    """Refuse an index in which deleted rows are found, by id or by their own vectors."""
    some = [part for part in parts if part.deleted]
    for part in some[:: max(1, len(some) // _DELETED)]:
        wanted = set(part.deleted[:_DELETED])
        for piece in store.read_all(part.part, ["id", EMBEDDING]):
            ids = piece["id"].to_pylist()
            vectors = matrix(piece)[[id in wanted for id in ids]]
            answers = index.nearest(vectors, _DELETED) if len(vectors) else []
            near = {id for found, _ in answers for id in found}
            hits = index.get([*wanted & {*ids, *near}]).values()
            if left := [hit.id for hit in hits if hit.part == part.file]:
                raise CollectionError(
                    f"{index.location} still has rows that were deleted ({', '.join(left[:3])}); "
                    "rebuild it with --rebuild"
                )


def _missed(index: VectorIndex, sample: dict[str, np.ndarray]) -> list[str]:
    """Return the ids whose own vectors find neither them nor a row with the same vector."""
    found = index.nearest(np.stack(list(sample.values())), 1)
    return [
        id
        for id, (_, scores) in zip(sample, found, strict=True)
        if not scores or scores[0] < 1 - _SAME
    ]


def _why_count_differs(
    index: VectorIndex, writer: IndexWriter, store: Store, parts: Sequence[LivePart]
) -> str:
    """Return one line that names the rows to blame, part by part."""
    rows = sum(part.rows for part in parts)
    head = f"{index.location} has {index.count():,} rows, the store {rows:,}"
    for part in parts:
        held = writer.count_part(part.file)
        if held == part.rows:
            continue
        if hit := _elsewhere(index, store, part):
            return f"{head}: {duplicate_id_message(hit.id, hit.part, part.file)}"
        return f"{head}: {held} of {part.rows} rows of {part.file}; rebuild it with --rebuild"
    return f"{head}: some rows belong to no part; rebuild it with --rebuild"


def _elsewhere(index: VectorIndex, store: Store, part: LivePart) -> Hit | None:
    """Return a row of another part that has an id of this one."""
    for piece in store.read(part, ["id"]):
        for hit in index.get(piece["id"].to_pylist()).values():
            if hit.part != part.file:
                return hit
    return None
