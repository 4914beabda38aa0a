"""What a store takes over from that of another model: rows but for their vectors, and deletions."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import paths
from clipvec.store.checksums import THUMBNAIL
from clipvec.store.schema import DIGEST, SOURCE, Row, id_digest
from clipvec.store.tombstones import DeletedRows, Entry, RemovedRow

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pyarrow as pa

    from clipvec.store.part import Part
    from clipvec.store.shard import CommitMarker
    from clipvec.store.store import Store

_HELD = 2
"""Parts that are in memory."""
_REASON = "replaced before"
"""Of an entry that says only that rows were left out."""
_FOREVER = "deleted forever"


class ShardRows:
    """The rows of a committed shard that readers see, in its order.

    Memory is some 100 bytes a row, and two parts.
    """

    def __init__(self, store: Store, marker: CommitMarker) -> None:
        """Read their ids.

        Raises:
            StoreError: a part cannot be read.
        """
        self._store = store
        self._parts = store.live_parts(marker)
        self.ids: list[str] = [
            id
            for part in self._parts
            for piece in store.read(part, ["id"])
            for id in piece["id"].to_pylist()
        ]
        self._starts = np.cumsum([0, *(part.rows for part in self._parts)])
        self._read = lru_cache(_HELD)(self._table)

    def row(self, number: int) -> Row:
        """Return a row by its number.

        Raises:
            StoreError: its part cannot be read.
        """
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        found = self._read(part).slice(number - int(self._starts[part]), 1).to_pylist()[0]
        return self._row(found)

    def _table(self, part: int) -> pa.Table:
        import pyarrow as pa

        known = self._store.fingerprint
        names = ["id", "uri", "caption", "width", "height", SOURCE, DIGEST, *known.attributes]
        names += [THUMBNAIL] if known.thumbnail else []
        return pa.Table.from_batches(list(self._store.read(self._parts[part], names)))

    def _row(self, values: dict[str, Any]) -> Row:
        attributes = {name: values.pop(name) for name in self._store.fingerprint.attributes}
        source, digest = values.pop(SOURCE), values.pop(DIGEST)
        thumbnail = values.pop(THUMBNAIL, None)
        return Row(
            **values, thumbnail=thumbnail, attributes=attributes, source=source, digest=digest
        )


def deletions(
    made: Store, shard: int, store: Store, into: int, parts: Sequence[Part]
) -> Entry | None:
    """Return what a shard's deleted rows are to the shard that took its rows over.

    Those that it does not have are to it what compaction takes out of files: known by digests.

    Args:
        made: the store whose rows were taken over.
        shard: committed there.
        store: took them over.
        into: the shard of it.
        parts: its finished parts.

    Returns:
        An entry, the same whenever it is made; None: no row of the shard is deleted.

    Raises:
        StoreError: a part cannot be read.
    """
    marker = made.committed([shard])[shard]
    gone, ids, removed, reasons = _deleted(made, marker)
    times = [entry.time for entry in made.tombstones.active.values()]
    if not gone and not ids and not removed:
        return None
    own = {part.file: DeletedRows(part.sha256, []) for part in parts}
    for part in parts if ids else ():
        for piece in store.read_all(part, ["id"]):
            there = ids.keys() & set(piece["id"].to_pylist())
            own[part.file].ids.extend(sorted(there))
            ids = {id: row for id, row in ids.items() if id not in there}
    removed = sorted({*removed, *ids.values()}, key=str)
    if removed:
        first = next(iter(own), paths.ShardPaths(into).part(0))
        known = own.get(first, DeletedRows("", []))
        own[first] = DeletedRows(known.sha256, known.ids, removed)
    reason = "; ".join(sorted({*filter(None, reasons)})) or (None if reasons else _REASON)
    return Entry(max(times), reason, own)


def _deleted(
    made: Store, marker: CommitMarker
) -> tuple[bool, dict[str, RemovedRow], list[RemovedRow], list[str | None]]:
    """Return what is deleted of a shard.

    Returns:
        Whether readers do not see some of its rows, for whatever reason; those that were deleted,
        not replaced, by id; those of them that are in no file; and why.
    """
    folder, joins = paths.ShardPaths(marker.shard).folder, made.tombstones.joins
    ids: set[str] = set()
    removed: list[RemovedRow] = []
    reasons: list[str | None] = []
    for entry in made.tombstones.active.values():
        for file, rows in entry.parts.items():
            own = paths.shard_folder(file)
            if joins.folder(own) != folder or not _deletes(entry, file):
                continue
            ids.update(rows.ids)
            # what was removed of a joined shard, the entry of the join says of the one that has it
            removed += rows.removed if own == folder else []
            if rows.ids or rows.removed:
                reasons.append(entry.reason)
    gone = any(part.deleted for part in made.live_parts(marker))
    found = {id: RemovedRow(id_digest(id), None, -1) for id in ids}
    for part in marker.parts if ids else ():
        for piece in made.read_all(part, ["id", DIGEST, SOURCE]):
            for row in piece.to_pylist():
                if row["id"] in ids:
                    image = row[DIGEST] and row[DIGEST].hex()
                    found[row["id"]] = RemovedRow(id_digest(row["id"]), image, row[SOURCE])
    return gone, found, removed, reasons


def _deletes(entry: Entry, file: str) -> bool:
    """Return whether rows of a part file were deleted by an entry, not replaced."""
    return entry.generation is None or entry.carries(file)


def blocked(made: Store, known: Collection[str]) -> Entry | None:
    """Return what says that images which were deleted forever in one store are so in another.

    Args:
        made: the one store.
        known: what is blocked in the other.
    """
    new = made.tombstones.blocked - set(known)
    if not new:
        return None
    time = max(entry.time for entry in made.tombstones.active.values() if entry.blocked)
    return Entry(time, _FOREVER, blocked=sorted(new))
