"""From a store to a verified index."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipvec import paths, shards
from clipvec.errors import CollectionError, IncompleteStoreError
from clipvec.index import aliases, rows_writer, shared_build, tracking
from clipvec.index.backend import open_backend
from clipvec.index.base import BuildStats
from clipvec.index.load import Plan, load, shrink
from clipvec.index.open import missing_shards, seen_shards
from clipvec.index.tracking import IndexLogger
from clipvec.index.verify import verify
from clipvec.machine import free_bytes, peak_bytes
from clipvec.progress import counted
from clipvec.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clipvec.config import IndexCommandConfig, IndexConfig
    from clipvec.index.backend import IndexBackend, IndexWriter
    from clipvec.store import LivePart
    from clipvec.tracking import Run

log = logging.getLogger(__name__)
_LARGE = 50_000
"""Rows above which the memory is estimated."""


@dataclass(frozen=True)
class IndexSummary:
    """What a run of index did."""

    name: str
    location: str
    rows: int
    loaded: int = 0
    """Parts that the index did not hold before."""
    reused: int = 0
    replaced: int = 0
    dropped: int = 0
    """Parts that are no longer in the store."""
    deleted: int = 0
    """Rows that the index held and that were deleted from the store."""
    rows_per_s: float = 0.0
    """Of the loading."""
    verified: str = ""
    alias: str = ""
    """What stands for the index from now on."""
    lacking: int = 0
    """Parts that no job has encoded yet: the index is not written."""

    def __str__(self) -> str:
        """Return one line for the end of a run."""
        if self.lacking:
            return (
                f"{self.name}: {self.rows:,} rows are encoded; those of "
                f"{counted(self.lacking, 'part')} are not yet, and the job that is the last writes "
                f"the index: {self.location}"
            )
        work = [f"{counted(self.loaded, 'part')} loaded"]
        work += [f"{self.reused} reused", f"{self.replaced} replaced"]
        work += [f"{self.dropped} dropped"] if self.dropped else []
        work += [f"{counted(self.deleted, 'row')} deleted"] if self.deleted else []
        rate = f"; {self.rows_per_s:,.0f} rows/s" if self.loaded or self.replaced else ""
        alias = f"; alias: {self.alias}" if self.alias else ""
        return (
            f"{self.name}: {counted(self.rows, 'row')}; {', '.join(work)}{rate}; "
            f"verified: {self.verified}; index: {self.location}{alias}"
        )


def build_index(
    config: IndexCommandConfig, show: Callable[[Run, Store], None] | None = None
) -> IndexSummary:
    """Make the index hold what the store holds, and verify it.

    Args:
        config: what to load, and into which index.
        show: adds to the tracking run at its end.

    Raises:
        StoreError: there is no store, or it cannot be read.
        IncompleteStoreError: shards are missing and ``allow_partial`` is not set.
        FingerprintError: the index holds vectors of another model or dataset.
        CollectionError: the index cannot be used, or differs from the store; or partitions are
            missing and an alias is to stand for all.
        ConfigError: ``alias`` can be none, or the index was built with other settings.
    """
    store = Store.open(config.store_url)
    store.check_fingerprint()  # before an index is compared with it
    wanted, partition = shared_build.shards_of_index(config, store)
    parts = committed_parts(store, wanted, config.allow_partial)
    name = paths.collection_name(config.dataset.name, config.model.name, partition)
    backend = open_backend(config.index)
    if config.alias is not None:
        _check_alias(config.index, config.alias, name, store, backend)
    rows = sum(part.rows for part in parts)
    need = backend.memory_bytes(rows, store.fingerprint.model.dim, config)
    _check_memory(need, rows, config.index.folder is None)
    if config.shards is not None:
        log.info("%s", backend.forecast(name, rows, store.fingerprint.model.dim, config))
        mine = shared_build.parts_of_job(config, store, parts)
        lacking = len(backend.encode(name, store, config, parts, mine))
        if lacking:
            rows = sum(part.rows for part in mine)
            return IndexSummary(name, config.index.location(name), rows, lacking=lacking)
    with backend.exclusive(name), tracking.start_run(config, store) as run:
        logger = IndexLogger(run)
        with backend.begin(name, store, config) as writer:
            done = _fill(config, writer, store, parts, logger)
        backend.publish(name)
        alias = _switch(config.index, config.alias, name, store)
        summary = IndexSummary(name, config.index.location(name), **done, alias=alias)
        logger.end(summary, config, store)
        if show is not None:
            show(run, Store.open(store.url))  # rows may have been deleted meanwhile
    return summary


def _check_alias(
    config: IndexConfig, alias: str, name: str, store: Store, backend: IndexBackend
) -> None:
    """Refuse an alias for an index of which partitions are missing when this one is built.

    Args:
        config: where the index is.
        alias: to stand for it.
        name: of what is to be built.
        store: of the rows.
        backend: of the index.
    """
    aliases.check(config, alias)
    whole, names = paths.whole_collection(name), {*backend.names(), name}
    partitions = [each for each in names if paths.whole_collection(each) == whole]
    missing = "" if whole in names else missing_shards(partitions, seen_shards(store))
    if missing:
        raise CollectionError(
            f"alias={alias} would stand for {whole}, of which no partition holds the shards "
            f"{missing}; give the alias with the last partition"
        )


def _switch(config: IndexConfig, alias: str | None, name: str, store: Store) -> str:
    """Let an alias, if there is one, stand for the index, and return what to say of it."""
    if alias is None:
        return ""
    whole = paths.whole_collection(name)
    before = aliases.switch(config, alias, whole, store.model)
    return f"{alias} → {whole}" + (f" (was {before})" if before else "")


def committed_parts(store: Store, wanted: Sequence[int], allow_partial: bool) -> list[LivePart]:
    """Return the parts of those ``wanted`` shards that are committed.

    Raises:
        IncompleteStoreError: shards are missing and ``allow_partial`` is not set.
    """
    lacking: dict[int, str] = {}
    committed = store.complete(wanted, lacking)
    missing = sorted(set(wanted) - set(committed))
    store.check_joined(missing)
    if missing and not (allow_partial and committed):
        spec = shards.format(missing)
        again = f"add 'shards=[{spec}]' to the clipvec embed that made it"
        if missing[-1] >= store.fingerprint.sharding_count:
            again = "run the clipvec embed that made it again"
        partial = ", or index what there is with allow_partial=true" if committed else ""
        raise IncompleteStoreError(
            f"{store.url} lacks {len(missing)} of {counted(len(wanted), 'shard')}: {spec}"
            f"{_why(lacking)}; {again}{partial}"
        )
    if missing:
        log.warning("without the missing shards %s%s", shards.format(missing), _why(lacking))
    return [part for mark in committed.values() for part in store.live_parts(mark)]


def _why(lacking: Mapping[int, str]) -> str:
    """Return why the first shard is missing that has a commit marker; empty: none has."""
    return f" ({lacking[min(lacking)]})" if lacking else ""


def _fill(
    config: IndexCommandConfig,
    writer: IndexWriter,
    store: Store,
    parts: list[LivePart],
    logger: IndexLogger,
) -> dict[str, Any]:
    """Load and verify, and return the fields of an `IndexSummary`."""
    writer.prepare(parts)
    plan = Plan.make(parts, writer.ledger())
    logger.held(sum(part.rows for part in plan.reused))
    rows = sum(part.rows for part in parts)
    writer.set_expected_rows(rows)
    batch_rows = min(config.batch_rows, writer.max_batch_rows or config.batch_rows)
    if plan.load or plan.drop or plan.shrink:
        writer.set_build_stats(None)
        if writer.rows_folder is not None:
            rows_writer.retire(writer.rows_folder)
    try:
        deleted = shrink(writer, plan)
        seconds = load(writer, store, plan, batch_rows, logger.loaded)
    except KeyboardInterrupt:
        if config.rebuild and config.shards is None:
            log.warning("the old index is unchanged; the same command rebuilds from the start")
        else:
            log.warning("loaded rows are kept; the same command resumes there")
        raise
    index = writer.finish()
    loaded = sum(part.rows for part in plan.load)
    if loaded and not (plan.reused or plan.drop):
        peak = None if index.capabilities.remote else peak_bytes()
        writer.set_build_stats(BuildStats(loaded, seconds, peak))
    verified = verify(index, writer, store, parts)
    writer.set_expected_rows(None)
    if writer.rows_folder is not None:
        rows_writer.write(writer.rows_folder, store, parts)
    return {
        "rows": rows,
        "loaded": len(plan.load) - plan.replaced,
        "reused": len(plan.reused),
        "replaced": plan.replaced,
        "dropped": len(plan.drop) - plan.replaced,
        "deleted": deleted,
        "rows_per_s": loaded / seconds,
        "verified": verified,
    }


def _check_memory(need: int, rows: int, remote: bool) -> None:
    """Log how much memory the index will take, and warn if there is less."""
    if rows < _LARGE:
        return
    estimate = f"{rows:,} rows will take about {need / 1e9:.1f} GB of memory"
    free = free_bytes()
    if remote:
        log.info("%s on the server", estimate)
    elif need < free:
        log.info("%s, %.1f GB are free", estimate, free / 1e9)
    else:
        log.warning(
            "WARNING: %s, only %.1f GB are free: the process may be killed; use a larger machine, "
            "or a model with fewer dimensions",
            estimate,
            free / 1e9,
        )
