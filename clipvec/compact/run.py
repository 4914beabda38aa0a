"""The store first, part by part and generation by generation, then the indexes of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clipvec.index import held_indexes, partition_shards, rebuild, remove_leftovers
from clipvec.machine import fill_memory
from clipvec.progress import Progress, counted
from clipvec.store import Store, compaction, joining
from clipvec.web import format as formats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence, Set

    from clipvec.config import CompactConfig
    from clipvec.store import CommitMarker

log = logging.getLogger(__name__)
_GROUP_BYTES = 2**30
"""Of parts that are written before they take the place of the old ones: room that the disk has to
have."""


@dataclass
class CompactSummary:
    """What a run of compact did, or would do."""

    store: str
    """Path or URL."""
    rows: int = 0
    """Deleted rows that the parts held."""
    parts: int = 0
    """Parts that held them."""
    bytes: int = 0
    """By which the parts became smaller."""
    joined: int = 0
    """Parts that became part of others."""
    generations: int = 0
    """Generations that became part of others."""
    indexes: list[str] = field(default_factory=list)
    """Names of those that were written again."""
    dry_run: bool = False

    def __str__(self) -> str:
        """Return one line for the end of a run."""
        would = "would " if self.dry_run else ""
        did = []
        if self.rows:
            verb = "would take" if self.dry_run else "took"
            did.append(
                f"{verb} {counted(self.rows, 'row')} out of {counted(self.parts, 'part')} of "
                f"{self.store}"
            )
            did += [] if self.dry_run else [f"{formats.size(self.bytes)} freed"]
        what = {"generation": self.generations, "part": self.joined}
        if small := [counted(number, f"small {each}") for each, number in what.items() if number]:
            did.append(f"{would}join{'' if would else 'ed'} {' and '.join(small)} with others")
        if self.indexes:
            verb = "would write" if self.dry_run else "wrote"
            them = " without them" if self.rows or not small else ""
            did.append(f"{verb} {', '.join(self.indexes)} again{them}")
        return "; ".join(did) or f"nothing to compact in {self.store}"


def compact(config: CompactConfig) -> CompactSummary:
    """Take the bytes of deleted rows out of a store and its indexes.

    Raises:
        StoreError: there is no store, it cannot be read or written, or another compact runs.
        FingerprintError: the index is of another store.
        CollectionError: the index cannot be written, or another command fills it.
    """
    # Chroma (1.5) writes the unused rest of a graph as it lies in memory, rows of the old one too
    fill_memory()
    store = Store.open(config.store_url)
    if config.dry_run:
        return _foretell(config, store)
    with compaction.exclusive(store):
        store = store.again()
        # one of another store is refused before all else
        partitions = partition_shards(held_indexes(config.index, config.collection, store, 0))
        summary = CompactSummary(store.url)
        store = joining.settled(store)
        store.tell_unfinished("stay as they are")
        _compact_store(store, summary)
        store = store.again()
        compaction.tidy(store)
        store = _join_generations(store.again(), summary, partitions)
    if store.tombstones.removed:
        remove_leftovers(config.index, config.collection)
    changed = bool(summary.rows or summary.joined or summary.generations)
    indexes = held_indexes(config.index, config.collection, store, store.tombstones.removed)
    for each, holds in indexes.items():
        if not holds and not changed:
            continue
        log.info("%s is written again", config.index.location(each))
        log.info("%s", rebuild(config, each, anew=holds))
        summary.indexes.append(each)
    if any(indexes.values()) and config.index.folder is None:
        log.warning(
            "a Chroma server keeps bytes of collections that it deleted in its folder: to be rid "
            "of them, start it with an empty one, and run clipvec index"
        )
    return summary


def _foretell(config: CompactConfig, store: Store) -> CompactSummary:
    summary = CompactSummary(store.url, dry_run=True)
    for marker in store.committed().values():
        parts = store.live_parts(marker)
        summary.rows += sum(len(part.deleted) for part in parts)
        summary.parts += sum(bool(part.deleted) for part in parts)
        summary.joined += len(parts) - len(compaction.groups(parts))
    partitions = partition_shards(held_indexes(config.index, config.collection, store, 0))
    summary.generations = len(joining.find(store, partitions, compacted=False))
    changed = bool(summary.rows or summary.joined or summary.generations)
    removed = store.tombstones.removed + summary.rows
    held = held_indexes(config.index, config.collection, store, removed)
    summary.indexes = [each for each, holds in held.items() if holds or changed]
    return summary


def _compact_store(store: Store, summary: CompactSummary) -> None:
    """Write the parts again that hold deleted rows, and those that are small."""
    todo = [m for m in store.committed().values() if compaction.needs(store, m)]
    if not todo:
        return
    compaction.forget_derived(store)
    with Progress() as progress:
        task = progress.task("shards", len(todo), "shards")
        for group in _groups(todo):
            for shard in _compact_group(store, group):
                summary.rows += len(shard.removed)
                summary.parts += shard.deleted_from
                summary.joined += len(shard.before.parts) - len(shard.after.parts)
                summary.bytes += shard.freed
            task.advance(len(group))


def _compact_group(store: Store, group: Iterable[int]) -> list[compaction.Compacted]:
    """Compact some shards, as often as rows are deleted or taken back meanwhile."""
    written: dict[int, tuple[object, compaction.Compacted | None]] = {}
    while True:
        store = store.again()
        markers = store.committed(group)
        for shard, marker in markers.items():
            state = marker, store.live_parts(marker)
            if shard not in written or written[shard][0] != state:
                written[shard] = state, compaction.write(store, marker)
        found = [made for shard in markers if (made := written[shard][1]) is not None]
        if compaction.commit(store, found):
            return found


def _join_generations(
    store: Store, summary: CompactSummary, partitions: Sequence[Set[int]]
) -> Store:
    """Join small generations as long as there are some, and return the store as it is then."""
    while run := joining.find(store, partitions):
        compaction.forget_derived(store)
        generation = joining.plan(store, run)
        if not generation.joins:
            log.warning("new files are embedded just now: small generations are not joined")
            return store
        joining.finish(store, generation)
        store = store.again()
        joining.retire(store)
        summary.generations += len(run)
    return store


def _groups(markers: Iterable[CommitMarker]) -> Iterator[list[int]]:
    """Yield the numbers of shards of about `_GROUP_BYTES` together."""
    group: list[int] = []
    room = _GROUP_BYTES
    for marker in markers:
        size = sum(part.bytes for part in marker.parts)
        if group and size > room:
            yield group
            group, room = [], _GROUP_BYTES
        group.append(marker.shard)
        room -= size
    if group:
        yield group
