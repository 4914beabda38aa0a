"""Takes the bytes of deleted rows out of a store's files, and joins the small ones of a shard.

A part that has deleted rows is written again without them, under a name of its own, and the commit
marker, written anew, puts it in the old one's place. So a part is whole or not there, the marker
stays the only sign that it counts, and whoever reads goes on with the files that are open. To blank
the rows where they lie would keep their positions, and most of their bytes, and need a second
meaning of a checksum; an index takes a part that was written again for another one, as ever. One
with fewer rows than a row group is written together with the one before or after it. The small
shards of small generations are joined by `clipvec.store.joining`.

Before the marker, digests take the place of the ids in the tombstones, which then say of which part
the rows are no longer: while that is not the part that is committed, readers look for the digests
in the shard (`Store.live_parts`). Each step is done again, with the same result, if it is not known
to be done: a kill at any moment loses nothing, and shows no deleted row.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clipvec import paths
from clipvec.store import joining
from clipvec.store.hidden_names import hide_names
from clipvec.store.part import GROUP_ROWS, PART_ROWS, joined, ledger_bytes, ledger_rows, part_of
from clipvec.store.schema import DIGEST, SOURCE, id_digest
from clipvec.store.tombstones import DeletedRows, Entry, RemovedRow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from clipvec.store.joins import Joins
    from clipvec.store.live import LivePart
    from clipvec.store.part import Part
    from clipvec.store.shard import CommitMarker
    from clipvec.store.store import Store

log = logging.getLogger(__name__)
HIDDEN = "of a deleted image"
"""Reason in the ledger of a reject that had the id of a removed row."""


@dataclass(frozen=True)
class Compacted:
    """A shard whose parts were written again, and are not committed yet."""

    before: CommitMarker
    after: CommitMarker
    removed: Mapping[str, RemovedRow]
    """By id."""
    deleted_from: int = 0
    """Parts that held these."""

    @property
    def gone(self) -> list[Part]:
        """The parts that others replace."""
        return [part for part in self.before.parts if part not in self.after.parts]

    @property
    def freed(self) -> int:
        """Bytes by which the parts are smaller."""
        sizes = [sum(part.bytes for part in mark.parts) for mark in (self.before, self.after)]
        return sizes[0] - sizes[1]

    def rows(self, file: str, rows: DeletedRows, active: bool) -> tuple[str, DeletedRows]:
        """Return what an entry says of a part file of this shard once it is committed."""
        hidden = [id for id in rows.ids if active or id in self.removed]
        left = [] if active else [id for id in rows.ids if id not in self.removed]
        unknown = {id: RemovedRow(id_digest(id), None, -1) for id in hidden}
        removed = [*rows.removed, *(self.removed.get(id, unknown[id]) for id in hidden)]
        if not active or not self.after.parts:
            return file, DeletedRows(rows.sha256, left, removed)
        # one that was made of several has the number of their first
        number, part = paths.part_number(file) or 0, self.after.parts[0]
        for each in self.after.parts:
            part = each if (paths.part_number(each.file) or 0) <= number else part
        return part.file, DeletedRows(part.sha256, left, removed)


def exclusive(store: Store) -> AbstractContextManager[object]:
    """Keep apart what takes rows out of a store's files, and what must not run beside it.

    Two of them could each remove the parts that the other's marker names.

    Raises:
        StoreError: another process holds the lock, or the store cannot be written.
    """
    file = store.folder.path(paths.COMPACT_LOCK)
    held = f"clipvec compact is at work on {store.url}, and holds {file}"
    return store.folder.locked(paths.COMPACT_LOCK, held)


def is_current(store: Store, parts: Mapping[str, DeletedRows]) -> bool:
    """Return whether the part files of rows that were chosen are still those that are committed.

    Raises:
        StoreError: a marker cannot be read.
    """
    shards = {paths.shard_number(paths.shard_folder(file)) for file in parts}
    markers = store.committed(number for number in shards if number is not None)
    now = {(part.file, part.sha256) for marker in markers.values() for part in marker.parts}
    return now >= {(file, rows.sha256) for file, rows in parts.items()}


def needs(store: Store, marker: CommitMarker) -> bool:
    """Return whether there is something to `write` of a shard."""
    parts = store.live_parts(marker)
    few = len(groups(parts)) < len(parts)
    return few or any(part.deleted for part in parts) or _is_named(store, marker)


def _is_named(store: Store, marker: CommitMarker) -> bool:
    """Return whether there are ids of deleted rows of a shard, some that it does not have, too."""
    named = store.tombstones.of_parts(paths.ShardPaths(marker.shard).folder, marker.parts)
    return named is None or any(named.values())


def groups(parts: Sequence[LivePart]) -> list[list[LivePart]]:
    """Return parts in groups of which each is to be one part."""
    groups: list[list[LivePart]] = []
    for part in parts:
        rows = sum(each.rows for each in groups[-1]) if groups else 0
        if groups and min(rows, part.rows) < GROUP_ROWS and rows + part.rows <= PART_ROWS:
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def write(store: Store, marker: CommitMarker) -> Compacted | None:
    """Write the parts of a committed shard without their deleted rows, and small ones as one.

    Returns:
        None: there is nothing to do, see `needs`.

    Raises:
        StoreError: a part cannot be read or written.
    """
    if not needs(store, marker):
        return None
    parts: list[Part] = []
    removed: dict[str, RemovedRow] = {}
    live = store.live_parts(marker)
    for group in groups(live):
        if len(group) == 1 and not group[0].deleted:
            parts.append(group[0].part)
            continue
        written, rows = _write_part(store, group, marker.shard)
        parts.append(written)
        removed.update(rows)
    rows_left = sum(part.rows for part in parts)
    after = replace(marker, rows=rows_left, parts=parts)
    return Compacted(marker, after, removed, sum(bool(part.deleted) for part in live))


def _write_part(
    store: Store, group: Sequence[LivePart], shard: int
) -> tuple[Part, dict[str, RemovedRow]]:
    import pyarrow as pa

    tables, masks = [], []
    removed: dict[str, RemovedRow] = {}
    for part in group:
        table = pa.Table.from_batches(list(store.read_all(part.part)))
        ids, deleted = table["id"].to_pylist(), set(part.deleted)
        gone = np.array([id in deleted for id in ids], bool)
        pairs = zip(ids, table.select([DIGEST, SOURCE]).to_pylist(), gone, strict=True)
        removed |= {
            id: RemovedRow(id_digest(id), row[DIGEST] and row[DIGEST].hex(), row[SOURCE])
            for id, row, out in pairs
            if out
        }
        tables.append(table)
        masks.append(gone)
    data = joined(tables, masks)
    made, number = part_of("", data), paths.part_number(group[0].file) or 0
    made = replace(made, file=paths.ShardPaths(shard).part(number, made.sha256))
    store.folder.write_checked(made.file, data)
    return made, removed


def commit(store: Store, shards: Sequence[Compacted]) -> bool:
    """Commit shards that were written again, and remove what they replace.

    Returns:
        False: rows were deleted or taken back meanwhile, or a shard is no longer what it was, and
        nothing was done; write them again.

    Raises:
        StoreError: a file cannot be read or written.
    """
    known = store.tombstones
    before = {shard.before.shard: shard.before for shard in shards}
    same = store.entries.read().entries.keys() == known.entries.keys()
    if not same or store.committed(before) != before:
        return False
    places = {paths.ShardPaths(shard.after.shard).folder: shard for shard in shards}
    for name, entry in known.entries.items():
        hidden = _without_ids(entry, name in known.active, places, known.joins)
        if hidden != entry:
            store.entries.rewrite(name, hidden)
    for shard in [shard for shard in shards if shard.after != shard.before]:
        store.folder.write(paths.ShardPaths(shard.after.shard).done, shard.after.to_json())
    for shard in shards:
        for part in shard.gone:
            store.folder.remove(part.file)
    return True


def _without_ids(
    entry: Entry, active: bool, shards: Mapping[str, Compacted], joins: Joins
) -> Entry:
    """Return an entry with digests in the place of the ids of rows of some shards, by folder."""
    parts: dict[str, DeletedRows] = {}
    for file, rows in entry.parts.items():
        folder = paths.shard_folder(file)
        here = joins.folder(folder)
        if (shard := shards.get(here)) is None or (here != folder and not rows.ids):
            _add(parts, file, rows)
            continue
        if here != folder and rows.removed:
            # of the shard that was joined: an image of that name may have come since
            _add(parts, file, replace(rows, ids=[]))
            _add(parts, *shard.rows(file, replace(rows, removed=[]), active))
        else:
            _add(parts, *shard.rows(file, rows, active))
    return replace(entry, parts=parts)


def _add(parts: dict[str, DeletedRows], file: str, rows: DeletedRows) -> None:
    other = parts.get(file, DeletedRows(rows.sha256, []))
    parts[file] = DeletedRows(rows.sha256, other.ids + rows.ids, other.removed + rows.removed)


def tidy(store: Store) -> None:
    """Remove what is no more of use once rows were taken out, and what killed commands left.

    Raises:
        StoreError: a file cannot be read or written.
    """
    gone = _removed_ids(store)
    for marker in store.committed().values():
        place = paths.ShardPaths(marker.shard)
        named = {part.file for part in marker.parts}
        for name in store.folder.names(place.folder):
            file = f"{place.folder}/{name}"
            if paths.part_number(name) is not None and file not in named:
                store.folder.remove(file)
        store.folder.remove_leftovers(place.folder)
        if marker.rejects and (ids := gone[None] | gone[place.folder]):
            _hide_rejects(store, place.rejects, ids)
    joining.retire(store)
    for folder in (paths.TOMBSTONES, paths.GENERATIONS):
        store.folder.remove_leftovers(folder)
    if store.fingerprint.dataset["kind"] == "folder" and store.generations.newest().plan:
        # elsewhere, a source is a file of many images
        hide_names(store.generations, _removed_sources(store))


def _removed_ids(store: Store) -> dict[str | None, set[str]]:
    """Return the digests of the ids of removed rows by shard folder; None: hidden in all shards.

    Those of replaced rows may be the names of files that are there.
    """
    found: dict[str | None, set[str]] = defaultdict(set)
    for entry in store.tombstones.active.values():
        for file, rows in entry.parts.items():
            where = paths.shard_folder(file) if entry.generation is not None else None
            found[where].update(row.id for row in rows.removed)
    return found


def _hide_rejects(store: Store, file: str, ids: set[str]) -> None:
    """Leave ids of removed rows, by their digests, out of a ledger of rejects."""
    try:
        rows = ledger_rows(store.folder.read(file))
    except (OSError, ValueError) as error:
        log.warning(
            "%s is missing or damaged (%s), and may name deleted rows: clipvec check says more",
            *(store.folder.path(file), error),
        )
        return
    named = [row for row in rows if id_digest(row["id"]) in ids]
    for row in named:
        row.update(id=id_digest(row["id"]), uri="", reason=HIDDEN)
    if named:
        store.folder.write(file, ledger_bytes([[*row.values()] for row in rows]))


def _removed_sources(store: Store) -> set[tuple[int, int]]:
    """Return generation and number of the sources of removed rows, but those of joined ones."""
    numbers = store.generations.by_folder()
    return {
        (numbers[paths.shard_folder(file)], row.source)
        for entry in store.tombstones.active.values()
        for file, rows in entry.parts.items()
        for row in rows.removed
        if row.source >= 0 and paths.shard_folder(file) in numbers
    }


def forget_derived(store: Store) -> None:
    """Remove what was made from rows and names them: ground truth, found anew, and the map.

    Raises:
        StoreError: one cannot be removed.
    """
    for name in store.folder.names(paths.GROUND_TRUTH):
        store.folder.remove(f"{paths.GROUND_TRUTH}/{name}")
    if paths.PROJECTION in store.folder.names():
        store.folder.remove(paths.PROJECTION)
        log.warning("the map of the old parts is removed; clipvec projection makes it again")
