"""The store first, part by part, then the indexes of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clipvec import paths, shards
from clipvec.index import rebuild, remove_leftovers, with_remains
from clipvec.machine import fill_memory
from clipvec.progress import Progress, counted
from clipvec.store import Store, compaction
from clipvec.web import format as formats

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clipvec.config import CompactConfig
    from clipvec.store import CommitMarker

log = logging.getLogger(__name__)
_GROUP_BYTES = 2**30
"""Of parts that are written before they take the place of the old ones: room that the disk has to
have. The tombstones are written again for each group."""


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
    indexes: list[str] = field(default_factory=list)
    """Names of those that were written again."""
    dry_run: bool = False

    def __str__(self) -> str:
        """Return one line for the end of a run."""
        did = []
        if self.rows:
            verb = "would take" if self.dry_run else "took"
            did.append(
                f"{verb} {counted(self.rows, 'row')} out of {counted(self.parts, 'part')} of "
                f"{self.store}"
            )
            did += [] if self.dry_run else [f"{formats.size(self.bytes)} freed"]
        if self.indexes:
            verb = "would write" if self.dry_run else "wrote"
            did.append(f"{verb} {', '.join(self.indexes)} again without them")
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
    store = Store.open(paths.store_dir(config.store.root, config.dataset.name, config.model.name))
    name = paths.collection_name(config.dataset.name, config.model.name)
    if config.dry_run:
        return _foretell(config, store, name)
    with compaction.exclusive(store):
        store = Store.open(store.url)
        # one of another store is refused before all else
        with_remains(config.index, name, store, 0)
        summary = _compact_store(store)
        store = Store.open(store.url)
        compaction.tidy(store)
    if store.tombstones.removed:
        remove_leftovers(config.index, name)
    for each in with_remains(config.index, name, store, store.tombstones.removed):
        log.info("%s is written again", config.index.location(each))
        log.info("%s", rebuild(config, each))
        summary.indexes.append(each)
    if summary.indexes and config.index.folder is None:
        log.warning(
            "a Chroma server keeps bytes of collections that it deleted in its folder: to be rid "
            "of them, start it with an empty one, and run clipvec index"
        )
    return summary


def _foretell(config: CompactConfig, store: Store, name: str) -> CompactSummary:
    summary = CompactSummary(store.url, dry_run=True)
    for part in store.parts():
        summary.rows += len(part.deleted)
        summary.parts += bool(part.deleted)
    removed = store.tombstones.removed + summary.rows
    summary.indexes = with_remains(config.index, name, store, removed)
    return summary


def _compact_store(store: Store) -> CompactSummary:
    """Write the parts again that hold deleted rows."""
    summary = CompactSummary(store.url)
    markers = store.committed()
    if missing := store.unfinished():
        log.warning("shards that are not finished stay as they are: %s", shards.format(missing))
    todo = [m for m in markers.values() if any(part.deleted for part in store.live_parts(m))]
    if not todo:
        return summary
    compaction.forget_ground_truth(store)
    with Progress() as progress:
        task = progress.task("shards", len(todo), "shards")
        for group in _groups(todo):
            for shard in _compact_group(store.url, group):
                summary.rows += len(shard.removed)
                summary.parts += len(shard.gone)
                summary.bytes += shard.freed
            task.advance(len(group))
    return summary


def _compact_group(url: str, group: Iterable[int]) -> list[compaction.Compacted]:
    """Compact some shards, as often as rows are deleted or taken back meanwhile."""
    written: dict[int, tuple[object, compaction.Compacted | None]] = {}
    while True:
        store = Store.open(url)
        markers = store.committed(group)
        for shard, marker in markers.items():
            state = marker, store.live_parts(marker)
            if shard not in written or written[shard][0] != state:
                written[shard] = state, compaction.write(store, marker)
        found = [made for shard in markers if (made := written[shard][1]) is not None]
        if compaction.commit(store, found):
            return found


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
