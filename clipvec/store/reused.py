"""What a store takes over from that of another model: rows but for their vectors, and deletions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import paths
from clipvec.store.blocked import FOREVER
from clipvec.store.checksums import THUMBNAIL
from clipvec.store.schema import DIGEST, SOURCE, Row, id_digest
from clipvec.store.tombstones import DeletedRows, Entry, RemovedRow

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import pyarrow as pa

    from clipvec.store.generations import Generation
    from clipvec.store.live import LivePart
    from clipvec.store.shard import CommitMarker, ShardWriter
    from clipvec.store.store import Store

_HELD = 2
"""Parts that are in memory."""
_CONNECTIONS = 4
"""Parts whose ids are read at once."""
_MARK = b"reused"
"""Key in the metadata of a plan whose rows are taken over from another store."""
_REASON = "replaced before"
"""Of an entry that says only that rows were left out."""


def marked(plan: pa.Table, made: Store) -> pa.Table:
    """Return a plan that says that its rows are those of another store."""
    known = plan.schema.metadata or {}
    return plan.replace_schema_metadata({**known, _MARK: made.digest})


def takes_over(store: Store, generation: Generation) -> bool:
    """Return whether a generation was planned to take over the rows of another store.

    Raises:
        StoreError: its plan cannot be read.
    """
    if not generation.plan:
        return bool(store.reused)
    return _MARK in (store.generations.plan(generation).schema.metadata or {})


class ShardRows:
    """The rows of a committed shard that readers see, in its order.

    Memory is some 110 bytes a row, and a few parts.
    """

    def __init__(self, store: Store, marker: CommitMarker) -> None:
        """Read their ids.

        Raises:
            StoreError: a part cannot be read.
        """
        self._store = store
        self._parts = store.live_parts(marker)
        self.ids: list[str] = []
        sources = [np.empty(0, np.int64)]
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            for ids, some in pool.map(self._ids_of, self._parts):
                self.ids += ids
                sources.append(some)
        self.sources: np.ndarray = np.concatenate(sources)
        """Number of the source of each in its generation, int64 [N]."""
        self._starts = np.cumsum([0, *(part.rows for part in self._parts)])
        self._read = lru_cache(_HELD)(self._table)

    def _ids_of(self, part: LivePart) -> tuple[list[str], np.ndarray]:
        pieces = list(self._store.read(part, ["id", SOURCE]))
        ids = [id for piece in pieces for id in piece["id"].to_pylist()]
        numbers = [piece[SOURCE].to_numpy() for piece in pieces]
        return ids, np.concatenate([np.empty(0, np.int64), *numbers])

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
    made: Store, marker: CommitMarker, store: Store, into: ShardWriter, stale: Collection[str]
) -> Entry | None:
    """Return what a shard's deleted rows are to the shard that took its rows over.

    Those that it does not have are to it what compaction takes out of files: known by digests.

    Args:
        made: the store whose rows were taken over.
        marker: of the shard there.
        store: took them over.
        into: of the shard of it, all of whose parts are finished.
        stale: ids of rows of these that readers of the other shard do not see.

    Returns:
        An entry, the same whenever it is made; None: no row of the shard is deleted.

    Raises:
        StoreError: a part cannot be read.
    """
    gone, ids, removed, reasons = _deleted(made, marker)
    times = [entry.time for entry in made.tombstones.active.values()]
    if not gone and not ids and not removed:
        return None
    digests = {id_digest(id): id for id in stale}
    here = {*(ids.keys() & set(stale)), *(digests[r.id] for r in removed if r.id in digests)}
    parts = into.finished
    own = {part.file: DeletedRows(part.sha256, []) for part in parts}
    for part in parts if here else ():
        for piece in store.read_all(part, ["id"]):
            own[part.file].ids.extend(sorted(here & set(piece["id"].to_pylist())))
    known = {id_digest(id) for id in here}
    elsewhere = sorted({row for row in (*removed, *ids.values()) if row.id not in known}, key=str)
    if elsewhere:
        first = parts[0]
        own[first.file] = DeletedRows(first.sha256, own[first.file].ids, elsewhere)
    reason = "; ".join(sorted({*filter(None, reasons)})) or (None if reasons else _REASON)
    return Entry(max(times), reason, own)


def carried(active: Mapping[str, Entry], made: Store, shard: int) -> set[str]:
    """Return the names of those entries that `deletions` made for a shard.

    Args:
        active: entries of the store that took rows over, by name.
        made: the store whose rows were taken over.
        shard: of the other one.
    """
    times = {entry.time for entry in made.tombstones.entries.values()}
    own = {paths.ShardPaths(shard).folder}
    return {
        name
        for name, entry in active.items()
        if entry.time in times and set(map(paths.shard_folder, entry.parts)) == own
    }


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
    return Entry(time, FOREVER, blocked=sorted(new))
