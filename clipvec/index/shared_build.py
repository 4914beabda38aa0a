"""An index that several jobs build: which of its shards each encodes, and what they take in all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import paths, shards
from clipvec.errors import ConfigError
from clipvec.index.backend import open_backend
from clipvec.paths import shard_folder, shard_number
from clipvec.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.config import IndexCommandConfig
    from clipvec.store import LivePart


def shards_of_index(config: IndexCommandConfig, store: Store) -> tuple[list[int], str | None]:
    """Return the shards that an index holds, and the specification of its partition.

    Raises:
        ConfigError: the kind of index takes no ``shards``.
        ShardSpecError: ``partition`` is invalid.
    """
    if config.shards is not None and not config.index.by_shards:
        raise ConfigError(
            f"shards={config.shards}: one job fills an index of index={config.index.kind}; leave "
            "it out, give each job a partition=..., or take index=faiss"
        )
    wanted, first = store.shards, store.tombstones.joins.first
    if config.num_shards is not None:
        wanted = [shard for shard in wanted if first(shard) < config.num_shards]
    if config.partition is None:
        return wanted, None
    asked = shards.parse(config.partition, store.shards[-1] + 1)
    return [shard for shard in wanted if first(shard) in asked], shards.format(asked)


def parts_of_job(
    config: IndexCommandConfig, store: Store, parts: Sequence[LivePart]
) -> list[LivePart]:
    """Return the parts of a job's shards.

    Args:
        config: its ``shards``.
        store: of the rows.
        parts: that the index will hold.

    Raises:
        ConfigError: the index holds none of these shards.
        ShardSpecError: ``shards`` is invalid.
    """
    asked, first = _asked(config, store), store.tombstones.joins.first
    numbers = ((shard_number(shard_folder(part.file)), part) for part in parts)
    return [part for shard, part in numbers if shard is not None and first(shard) in asked]


def _asked(config: IndexCommandConfig, store: Store) -> set[int]:
    """Return the shards that are both asked for and of the index."""
    first = store.tombstones.joins.first
    held = {first(shard) for shard in shards_of_index(config, store)[0]}
    asked = held.intersection(shards.parse(config.shards, store.shards[-1] + 1))
    if not asked:
        raise ConfigError(
            f"shards={config.shards}: the index holds none of these, but "
            f"{shards.format(sorted(held)) or 'no shard'}; give some of those"
        )
    return asked


def forecast_of_sweep(config: IndexCommandConfig, url: str) -> str:
    """Return in words what the jobs of a sweep that shares the shards of an index take in all.

    Args:
        config: of one of them.
        url: of the store, as seen from here.

    Raises:
        StoreError: the store cannot be read.
    """
    store = Store.open(url)
    committed = store.complete(shards_of_index(config, store)[0])
    rows = sum(part.rows for mark in committed.values() for part in store.live_parts(mark))
    name, dim = _name(config, store), store.fingerprint.model.dim
    said = open_backend(config.index).forecast(name, rows, dim, config)
    return f"{rows:,} rows as {said}"


def shards_of_sweep(config: IndexCommandConfig, url: str) -> tuple[tuple[int, ...], int]:
    """Return the shards that the jobs of a sweep share, and ``num_shards`` for all of them.

    Args:
        config: its ``shards``, which are not null.
        url: of the store, as seen from here.

    Raises:
        ConfigError: the kind of index takes no ``shards``, or the index holds none of these.
        ShardSpecError: ``shards`` is invalid.
        StoreError: the store cannot be read.
    """
    store = Store.open(url)
    return tuple(sorted(_asked(config, store))), config.num_shards or store.shards[-1] + 1


def replaced_by_sweep(config: IndexCommandConfig, url: str) -> str:
    """Return the build that the jobs of a sweep replace together, ``rebuild`` for all of them.

    Args:
        config: of one of them.
        url: of the store, as seen from here.

    Raises:
        ConfigError: there is none.
    """
    name = _name(config, Store.open(url))
    published = open_backend(config.index).published(name)
    if not published:
        raise ConfigError(
            f"rebuild={config.rebuild}: there is no index at {config.index.location(name)} to "
            "replace, as seen from here; leave rebuild out, or start the sweep where it is"
        )
    return published


def unwritten_by_sweep(config: IndexCommandConfig, url: str) -> str:
    """Return in words that an index is not written after the jobs of a sweep; empty: it is.

    So it is where it cannot be seen from here.

    Args:
        config: of one of them.
        url: of the store, as seen from here.

    Raises:
        StoreError: the store cannot be read.
    """
    name = _name(config, Store.open(url))
    if not open_backend(config.index).unfinished(name):
        return ""
    return (
        f"{config.index.location(name)} is not written: its jobs did not finish it; the same "
        "command with shards=all does"
    )


def _name(config: IndexCommandConfig, store: Store) -> str:
    partition = shards_of_index(config, store)[1]
    return paths.collection_name(config.dataset.name, config.model.name, partition)
