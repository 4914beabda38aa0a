"""From a store to a verified collection."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipvec import paths, shards
from clipvec.errors import IncompleteStoreError
from clipvec.index import tracking
from clipvec.index.chroma.client import REBUILD, open_place
from clipvec.index.chroma.lock import take_place, turn
from clipvec.index.chroma.writer import Built, LoadingCollection
from clipvec.index.load import Plan, load
from clipvec.index.tracking import IndexLogger
from clipvec.index.verify import verify
from clipvec.machine import free_bytes, peak_bytes
from clipvec.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clipvec.config import BuildConfig
    from clipvec.index.chroma.client import Place
    from clipvec.store import Part
    from clipvec.tracking import Run

log = logging.getLogger(__name__)
ROW_OVERHEAD = 600
"""Bytes a row that Chroma takes beside vector and links, measured over 100,000 rows x 512."""
_LARGE = 50_000
"""Rows from which on the memory is foretold."""


@dataclass(frozen=True)
class IndexSummary:
    """What a run of index did."""

    name: str
    where: str
    rows: int
    loaded: int
    """Parts that were not in the collection before."""
    reused: int
    replaced: int
    dropped: int
    """Parts that are no longer in the store."""
    rows_per_s: float
    """Of the loading."""
    verified: str

    def __str__(self) -> str:
        """Return one line for the end of a run."""
        work = [f"{self.loaded} parts loaded", f"{self.reused} reused", f"{self.replaced} replaced"]
        work += [f"{self.dropped} dropped"] if self.dropped else []
        rate = f"; {self.rows_per_s:,.0f} rows/s" if self.loaded or self.replaced else ""
        return (
            f"{self.name}: {self.rows:,} rows; {', '.join(work)}{rate}; "
            f"verified: {self.verified}; index: {self.where}"
        )


def build_index(
    config: BuildConfig, show: Callable[[Run, Store], None] | None = None
) -> IndexSummary:
    """Make the collection hold what the store holds, and verify it.

    Args:
        config: what to load, and into what.
        show: adds to the run of the loading, at its end.

    Raises:
        StoreError: there is no store, or it cannot be read.
        IncompleteStoreError: shards are missing and ``allow_partial`` is not set.
        FingerprintError: the collection holds vectors of another making.
        CollectionError: the collection cannot be used, or is not what it should be.
    """
    store = Store.open(paths.store_dir(config.store.root, config.dataset.name, config.model.name))
    wanted = shards.parse(
        shards.ALL if config.partition is None else config.partition,
        store.fingerprint.sharding_count,
    )
    parts = committed_parts(store, wanted, config.allow_partial)
    partition = None if config.partition is None else shards.format(wanted)
    name = paths.collection_name(config.dataset.name, config.model.name, partition)
    place = open_place(config.index)
    _foretell(config, place, store.fingerprint.model.dim, sum(part.rows for part in parts))
    with turn(place, name), tracking.start_run(config, store) as run:
        feed = IndexLogger(run)
        if not config.rebuild:
            summary = _fill(config, place, name, store, parts, feed)
        else:
            place.check_ours(name)
            summary = _fill(config, place, name + REBUILD, store, parts, feed)
            take_place(place, name)
            summary = replace(summary, name=name, where=place.where(name))
        feed.end(summary, config, store)
        if show is not None:
            show(run, store)
    return summary


def committed_parts(store: Store, wanted: Sequence[int], allow_partial: bool) -> list[Part]:
    """Return the parts of those ``wanted`` shards that are committed.

    Raises:
        IncompleteStoreError: shards are missing and ``allow_partial`` is not set.
    """
    committed = store.committed(wanted)
    missing = sorted(set(wanted) - set(committed))
    if missing and not (allow_partial and committed):
        spec = shards.format(missing)
        partial = ", or index what there is with allow_partial=true" if committed else ""
        raise IncompleteStoreError(
            f"{len(missing)} of {len(wanted)} shards are missing in {store.url}: {spec}; "
            f"embed them with python -m clipvec.embed {_same(store)} 'shards=[{spec}]'{partial}"
        )
    if missing:
        log.warning("without the missing shards %s", shards.format(missing))
    return [part for mark in committed.values() for part in mark.parts]


def _same(store: Store) -> str:
    """Return the options that name ``store``, as far as the store knows them."""
    mine = store.fingerprint
    return (
        f"model={store.model['name']} dataset={mine.dataset['name']} "
        f"sharding.count={mine.sharding_count}"
    )


def _fill(
    config: BuildConfig, place: Place, name: str, store: Store, parts: list[Part], feed: IndexLogger
) -> IndexSummary:
    with LoadingCollection.ensure(place, name, store, config.hnsw) as collection:
        plan = Plan.make(parts, collection.held())
        feed.held(sum(part.rows for part in plan.reused))
        batch_rows = min(config.batch_rows, collection.batch_limit)
        if plan.load or plan.drop:
            collection.note(None)
        try:
            rate = load(collection, store, plan, batch_rows, feed.loaded)
        except KeyboardInterrupt:
            if config.rebuild:
                log.warning("the old index stays as it is; the same command builds anew")
            else:
                log.warning("what is loaded is kept; the same command goes on from there")
            raise
        rows = sum(part.rows for part in plan.load)
        if rows and not (plan.reused or plan.drop):
            collection.note(Built(rows, rows / rate, peak_bytes() if place.local else None))
        return IndexSummary(
            name=name,
            where=collection.where,
            rows=sum(part.rows for part in parts),
            loaded=len(plan.load) - plan.replaced,
            reused=len(plan.reused),
            replaced=plan.replaced,
            dropped=len(plan.drop) - plan.replaced,
            rows_per_s=rate,
            verified=verify(collection, store, parts),
        )


def memory_bytes(rows: int, dim: int, max_neighbors: int) -> int:
    """Return the memory in bytes that a loaded collection takes, about."""
    return rows * (4 * dim + 8 * max_neighbors + ROW_OVERHEAD)


def _foretell(config: BuildConfig, place: Place, dim: int, rows: int) -> None:
    """Say how much memory the graph will take, and whether there is as much."""
    need = memory_bytes(rows, dim, config.hnsw.max_neighbors)
    if rows < _LARGE:
        return
    said = f"{rows:,} rows x {dim} will take about {need / 1e9:.1f} GB of memory"
    if not place.local:
        log.info("%s on the Chroma server", said)
        return
    free = free_bytes()
    if need < free:
        log.info("%s, %.1f GB are free", said, free / 1e9)
    else:
        log.warning(
            "WARNING: %s, only %.1f GB are free: it may be killed; use a larger machine, or a "
            "model with fewer dimensions",
            said,
            free / 1e9,
        )
