"""Exact neighbours of the queries, found once for each state of a store and kept beside it.

They are row numbers: a key holds the checksum of every part and what is deleted of it, so that the
numbers cannot be those of other rows.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clipvec import files, paths
from clipvec.errors import ConfigError, StoreError
from clipvec.exact_search import TopK
from clipvec.progress import Progress
from clipvec.recall.workload import QuerySet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clipvec.recall.queries import QuerySource
    from clipvec.recall.results import Kind
    from clipvec.store import Rows

log = logging.getLogger(__name__)
_FORMAT = 4
"""Of the files, and of how queries are drawn; those of another format are not found."""
_SPARE = 28
"""Neighbours beyond the largest k, to tell wrong rows from ties without reading them."""


def depth(k: int, rows: int) -> int:
    """Return how many exact neighbours to find for recall@``k`` among so many ``rows``."""
    return max(k, min(k + _SPARE, rows))


def ground_truth(rows: Rows, sources: Mapping[Kind, QuerySource], k: int) -> dict[Kind, QuerySet]:
    """Return the queries of each kind with at least ``k`` exact neighbours of each.

    Args:
        rows: of the store.
        sources: drawn from where no earlier run has the queries.
        k: neighbours of each query that recall is computed from.

    Raises:
        ConfigError: there are not so many rows, or the queries cannot be drawn.
        StoreError: the store cannot be read.
    """
    _check(rows, sources, k)
    deep = depth(k, len(rows) - ("image" in sources))
    places = {
        kind: paths.ground_truth_file(kind, _key(rows, source, deep))
        for kind, source in sources.items()
    }
    kept = rows.store.folder.read_each(list(places.values()))
    found = {kind: QuerySet.from_bytes(kept[f]) for kind, f in places.items() if f in kept}
    for kind in found:
        log.info("ground truth of %s queries: taken from an earlier run", kind)
    missing = {kind: source.draw() for kind, source in sources.items() if kind not in found}
    for kind, query_set in _search(rows, missing, deep).items():
        found[kind] = query_set
        _keep(rows, places[kind], query_set)
    return {kind: found[kind] for kind in sources}


def _check(rows: Rows, kinds: Mapping[Kind, object], k: int) -> None:
    """Refuse more neighbours than there are."""
    there = len(rows)
    if k > there:
        raise ConfigError(
            f"k={k}: {rows.store.url} has {there:,} rows; choose a smaller measure.recall_at and "
            "measure.k"
        )
    if k == there and "image" in kinds:
        raise ConfigError(
            f"k={k}: {rows.store.url} has {there:,} rows, so an image query, which is one of them, "
            f"has {there - 1:,} neighbours; choose a smaller measure.recall_at and measure.k, or "
            "text queries alone: queries.images=0"
        )


def _key(rows: Rows, source: QuerySource, k: int) -> str:
    """Return a digest of the rows, of what is asked, and of how many neighbours."""
    return files.digest([_FORMAT, rows.digest, dict(source.options), k])[:16]


def _keep(rows: Rows, file: str, query_set: QuerySet) -> None:
    try:
        rows.store.folder.write(file, query_set.to_bytes())
    except StoreError as error:  # such as a store that others own
        log.warning("the ground truth is not kept for the next run: %s", error)


def _search(rows: Rows, queries: dict[Kind, QuerySet], k: int) -> dict[Kind, QuerySet]:
    """Return the queries with their neighbours, found in one pass over all rows."""
    if not queries:
        return {}
    best = {kind: TopK(asked.vectors, k, asked.self_row) for kind, asked in queries.items()}
    with Progress() as progress:
        task = progress.task("exact search", len(rows), "rows")
        for first, vectors in rows.chunks():
            for top in best.values():
                top.add(np.arange(first, first + len(vectors)), vectors)
            task.advance(len(vectors))
    return {kind: with_neighbours(queries[kind], top) for kind, top in best.items()}


def with_neighbours(queries: QuerySet, top: TopK) -> QuerySet:
    """Return ``queries`` with the neighbours that were found."""
    found, scores = top.neighbours()
    return replace(queries, rows=found, scores=scores)
