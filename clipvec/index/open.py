"""Opening an index, or all partitions of one."""

from __future__ import annotations

import contextlib
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec import paths, shards
from clipvec.errors import ClipvecError, CollectionError
from clipvec.index import aliases
from clipvec.index.backend import open_backend
from clipvec.index.live import LiveIndex
from clipvec.index.mapped import MappedIndex
from clipvec.index.partitions import Partitions
from clipvec.index.rows import RowsTable
from clipvec.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from clipvec.config import IndexConfig
    from clipvec.index.backend import IndexBackend
    from clipvec.index.base import VectorIndex

log = logging.getLogger(__name__)
_ELSEWHERE = "local"
"""Name of a model whose weights may be those of a collection that has them by another name."""


@dataclass(frozen=True)
class Published:
    """What `open_index` opens: equal to what it was, while it would open the same."""

    name: str
    """The collection, or the partition."""
    states: Mapping[str, str | None]
    """`IndexBackend.state` by the names of the collection itself, or of its partitions."""

    @property
    def settled(self) -> bool:
        """Whether none of it is changing."""
        return None not in self.states.values()


def published(
    config: IndexConfig,
    name: str | None = None,
    dataset: str | None = None,
    model: str | None = None,
) -> Published:
    """Return what `open_index` would open now.

    Raises:
        CollectionError: as in `open_index`.
    """
    backend = open_backend(config)
    chosen, members = _chosen(config, backend.names(), name, dataset, model)
    return Published(chosen, {each: backend.state(each) for each in members})


def open_index(
    config: IndexConfig,
    name: str | None = None,
    dataset: str | None = None,
    model: str | None = None,
    *,
    bare: bool = False,
) -> VectorIndex:
    """Return an index that ``clipvec index`` built, without deleted rows.

    Args:
        config: where it is.
        name: ``<dataset>--<model>``, with all its partitions if it has some, a single partition,
            or an alias; None: the only one there is, or of several in a folder the one that
            changed last, which is said.
        dataset: whose index it is, if no name is given; None: any.
        model: by which it is, if no name is given; None: any, as is ``local``, weights that are
            somewhere else, where there is none of that name.
        bare: what the backend itself holds and finds, to be measured or checked: without the table
            of rows beside it, and with rows that were deleted since it was built.

    Raises:
        CollectionError: there is none, a server has several to choose from, clipvec did not build
            it, or its first loading is not finished.
        FingerprintError: the partitions are of different stores.
        StoreError: the tombstones of the store are damaged.
    """
    opened = _open_held(config, name, dataset, model, bare)
    try:
        return opened if bare else LiveIndex(opened)
    except BaseException:
        opened.close()
        raise


def _open_held(
    config: IndexConfig, name: str | None, dataset: str | None, model: str | None, bare: bool
) -> VectorIndex:
    """Return an index as it is, with rows that were deleted since."""
    backend = open_backend(config)
    name, partitions = _chosen(config, backend.names(), name, dataset, model)
    if partitions == [name]:
        return _open(backend, name, bare)
    with contextlib.ExitStack() as opened:
        found = [
            opened.enter_context(_open(backend, each, bare, len(partitions))) for each in partitions
        ]
        for other in found[1:]:
            _check_alike(found[0], other)
        opened.pop_all()
    _warn_of_missing(name, partitions, found[0])
    return Partitions(name, found)


def _chosen(
    config: IndexConfig,
    names: list[str],
    name: str | None,
    dataset: str | None,
    model: str | None,
) -> tuple[str, list[str]]:
    """Return the index that a name, an alias or none stands for, and what it is opened from.

    Args:
        config: where it is.
        names: of the indexes there.
        name: as for `open_index`.
        dataset: as for `open_index`.
        model: as for `open_index`.

    Returns:
        The name of the index, and itself, or its partitions.

    Raises:
        CollectionError: there is none, or there are several to choose from.
    """
    wholes = [*dict.fromkeys(map(paths.whole_collection, names))]
    found = name
    if name is None:
        alike = _of(names, dataset, model)
        if names and not alike:
            of = f"of dataset.name={dataset}" if dataset is not None else ""
            by = f"by model.name={model}" if model is not None else ""
            wanted = " ".join(filter(None, (of, by)))
            raise CollectionError(_no_collection(wanted, None, wholes, config))
        several = len({*map(paths.whole_collection, alike)}) != 1
        found = _newest(config, alike) if several else paths.whole_collection(alike[0])
    elif name not in {*wholes, *names}:
        found = aliases.target(config, name)
    if found is None or found not in {*wholes, *names}:
        raise CollectionError(_no_collection(name, found, wholes, config))
    if found in names:  # it comes before its partitions, if somebody built both
        return found, [found]
    return found, [each for each in names if paths.whole_collection(each) == found]


def _of(names: Sequence[str], dataset: str | None, model: str | None) -> list[str]:
    """Return those of a dataset that are by a model."""
    made_of = {name: paths.whole_collection(name).rpartition("--") for name in names}
    found = [name for name in names if dataset in (None, made_of[name][0])]
    by_model = [name for name in found if model in (None, made_of[name][2])]
    return found if model == _ELSEWHERE and not by_model else by_model


def _newest(config: IndexConfig, names: Sequence[str]) -> str | None:
    """Return the index of a folder that changed last, and say so; None: that is not known."""
    if config.folder is None or not names:
        return None
    folder = paths.IndexPaths(config.folder)
    newest = max(names, key=lambda name: _changed(folder.collection(name)))
    chosen = paths.whole_collection(newest)
    others = sorted({*map(paths.whole_collection, names)} - {chosen})
    log.warning(
        "%s is the newest collection in %s; others: %s",
        *(chosen, config.location(), ", ".join(f"collection={name}" for name in others)),
    )
    return chosen


def _changed(folder: Path) -> float:
    """Return when an index changed, by what only the index command writes, in seconds."""
    return max((mark.stat().st_mtime for mark in folder.glob("*.json")), default=0)


def _open(backend: IndexBackend, name: str, bare: bool, together: int = 1) -> VectorIndex:
    """Return an index, unless it would answer from some of its rows as if they were all."""
    index = backend.open(name)
    try:
        if (expected := index.expected_rows) is not None:
            raise CollectionError(
                f"{index.location} holds {index.count():,} of {expected:,} rows: its first loading "
                "is going on, or was interrupted; wait for it, or run clipvec index "
                "with the same options again"
            )
        folder = None if bare or index.capabilities.mapped else index.rows_folder
        rows = None if folder is None else RowsTable.find(folder)
        # another version of clipvec may have added rows, which knows of no table
        if rows is not None and len(rows) == index.count():
            return MappedIndex(index, rows, together)
    except BaseException:
        index.close()
        raise
    return index


def has_index(config: IndexConfig, name: str) -> bool:
    """Return whether there is an index ``<dataset>--<model>``, whole or in partitions."""
    return name in map(paths.whole_collection, open_backend(config).names())


def partitions_of(config: IndexConfig, name: str) -> list[str]:
    """Return the names of the partitions of an index; none if it is whole."""
    names = open_backend(config).names()
    return [] if name in names else [n for n in names if paths.whole_collection(n) == name]


def _check_alike(one: VectorIndex, other: VectorIndex) -> None:
    """Refuse partitions of different stores."""
    theirs = other.fingerprint
    here, there = f"the partition {one.location}", f"the partition {other.location}"
    one.fingerprint.check_data(vars(theirs), here)
    one.fingerprint.model.check(theirs.model, here, there)


def _warn_of_missing(name: str, names: Sequence[str], one: VectorIndex) -> None:
    seen: Sequence[int] = range(one.fingerprint.sharding_count)
    with contextlib.suppress(ClipvecError):  # an index alone does not know of later generations
        seen = seen_shards(Store.open(one.info.store))
    if missing := missing_shards(names, seen):
        log.warning("%s: no partition holds the shards %s", name, missing)


def seen_shards(store: Store) -> list[int]:
    """Return the shards that readers see, those that were joined by the first of each."""
    return [store.tombstones.joins.first(shard) for shard in store.shards]


def partition_shards(names: Iterable[str]) -> list[frozenset[int]]:
    """Return the shards of each partition among some indexes, by their names."""
    specs = filter(None, map(paths.partition, names))
    return [frozenset(shards.parse(each, sys.maxsize)) for each in specs]


def missing_shards(partitions: Sequence[str], seen: Sequence[int]) -> str:
    """Return those of some shards that no partition holds, as a specification; or nothing."""
    missing = set(seen).difference(*partition_shards(partitions))
    return shards.format(sorted(missing)) if missing else ""


def _no_collection(
    name: str | None, found: str | None, names: list[str], config: IndexConfig
) -> str:
    """Return what to say of a ``name`` that stands for ``found``, which is not there."""
    where = config.location()
    if not names:
        return f"there is no collection in {where}; clipvec index makes one from a store"
    choices = ", ".join(f"collection={other}" for other in [*names, *aliases.known(config)])
    if name is None:
        several = f"{where} has {len(names)} collections; choose one: {choices}"
        return f"{several} (bentoml serve takes it in CLIPVEC_SERVE)"
    if found is not None:
        return (
            f"the alias {name} stands for {found}, which is not in {where}; choose from {choices}"
        )
    return f"there is no collection {name} in {where}; choose from {choices}"
