"""Deleted rows: entries that name rows which no reader shows, beside the parts that hold them.

<store>/tombstones/20261129T120000-1f0c2ab4.json   ids by part file, with time and reason

Entries are only ever added, and their names come from their content. What is deleted is the union
of all entries but those that a later entry undoes, in whatever order they are read, so that any
number of writers need no lock, on an object store either. A row is known by its id and its shard's
folder: an id that is embedded again elsewhere is another row. When the rows are taken out of the
files (`clipvec.store.compaction`), digests take the place of their ids, under the entry's name: the
row stays deleted in indexes that still hold it, and should its shard be embedded again. A shard
that was joined (`clipvec.store.joining`) stands for the one that has its rows now.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from clipvec import files, paths
from clipvec.errors import ClipvecError, SchemaError, StoreError
from clipvec.store.joins import Join, Joins
from clipvec.store.schema import id_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clipvec.store.folder import Folder
    from clipvec.store.part import Part

_SCHEMA = 4
"""Schema number of an entry."""
_NAME = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")
_MEND = (
    "put the file that was there back, or remove it, delete the same rows again, and embed again; "
    "of rows that clipvec compact took out, forever=true and ignore_missing=true"
)


class DamagedTombstones(StoreError):
    """An entry is not what was written, so that nobody knows what it deletes."""


class RemovedRow(NamedTuple):
    """A deleted row that is in no file any more."""

    id: str
    """Digest of its id, see `clipvec.store.schema.id_digest`."""
    image: str | None
    """Digest of the image file in hexadecimal digits; None: there was none."""
    source: int
    """Number of its source in the generation of its shard; -1: not known."""


@dataclass(frozen=True)
class DeletedRows:
    """What an entry deletes of one part file."""

    sha256: str
    """Of the part, as in its shard's commit marker."""
    ids: list[str]
    removed: list[RemovedRow] = field(default_factory=list)
    """Those that the part with this checksum no longer has."""


@dataclass(frozen=True)
class Entry:
    """One deletion, or the end of one."""

    time: str
    """UTC, ISO 8601."""
    reason: str | None
    parts: dict[str, DeletedRows] = field(default_factory=dict)
    """By part file."""
    undoes: str | None = None
    """Name of the entry that no longer holds; such an entry deletes nothing itself."""
    generation: int | None = None
    """The generation that this publishes, whose rows replace these."""
    blocked: list[str] = field(default_factory=list)
    """Digests of ids and of image files that are not embedded as long as this holds, sorted."""
    joins: list[Join] = field(default_factory=list)
    """What the generation that this publishes took the place of, whose rows it has itself."""
    follows: str | None = None
    """Name of the deletion that this carries over to rows which came later, and ends with."""

    @property
    def rows(self) -> int:
        """Number of rows that it deletes."""
        return sum(len(deleted.ids) for deleted in self.parts.values()) + self.removed

    @property
    def removed(self) -> int:
        """Number of these that are in no file any more."""
        return sum(len(rows.removed) for file, rows in self.parts.items() if not self.carries(file))

    def carries(self, file: str) -> bool:
        """Return whether what this says of a part file, others say of the files before it."""
        folders = {paths.ShardPaths(join.into).folder for join in self.joins[-1:]}
        return paths.shard_folder(file) in folders

    @property
    def name(self) -> str:
        """Its name: the time, for people, and a digest, which makes it unique."""
        return f"{datetime.fromisoformat(self.time):%Y%m%dT%H%M%S}-{files.digest(asdict(self))[:8]}"

    @classmethod
    def now(
        cls,
        reason: str | None,
        parts: Mapping[str, DeletedRows],
        undoes: str | None = None,
        generation: int | None = None,
        blocked: Iterable[str] = (),
        follows: str | None = None,
    ) -> Entry:
        """Return an entry of this moment."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        return cls(time, reason, dict(parts), undoes, generation, sorted(blocked), follows=follows)

    def to_json(self) -> bytes:
        """Return the bytes of its file, with a checksum."""
        return files.to_json(asdict(self), _SCHEMA, sealed=True)

    @classmethod
    def from_json(cls, data: bytes, file: str) -> Entry:
        """Return what `to_json` wrote.

        Raises:
            SchemaError: another version of clipvec wrote it.
            DamagedTombstones: it is not what was written.
        """
        try:
            mend = "use the version that wrote it"
            values = files.from_json(data, _SCHEMA, file, mend, sealed=True)
            parts = {part: _rows(**rows) for part, rows in values.pop("parts").items()}
            joins = [Join.of(join) for join in values.pop("joins")]
            entry = cls(**values, parts=parts, joins=joins)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedTombstones(f"{file} is damaged ({error}); {_MEND}") from error
        return entry


class Tombstones:
    """The rows that are deleted, from all entries of a store.

    Memory is some 220 bytes a deleted row.
    """

    def __init__(self, entries: Mapping[str, Entry] | None = None) -> None:
        """Unite entries, by name."""
        known = (entries or {}).items()
        self.entries = dict(sorted(known, key=lambda pair: (pair[1].time, pair[0])))
        """Oldest first."""
        undone = {entry.undoes for entry in self.entries.values() if entry.undoes}
        self.active = {
            name: entry
            for name, entry in self.entries.items()
            if entry.undoes is None and undone.isdisjoint({name, entry.follows})
        }
        """Those that delete rows now."""
        self.joins = Joins(join for entry in self.active.values() for join in entry.joins)
        numbers = {entry.generation for entry in self.active.values()}
        self.published = {n for n in numbers if n is not None} | self.joins.generations
        """The generations, but the first, whose rows readers see."""
        self._parts: dict[str, dict[tuple[str, str], set[str]]] = defaultdict(dict)
        """Ids by the folder of the shard that has the rows, then by part file and its checksum."""
        self._removed: dict[str, set[str]] = defaultdict(set)
        """Digests of the ids of removed rows by the folder of the shard that had them."""
        self._ids: set[str] = set()
        """Those of all deleted rows, and digests of those of removed ones."""
        carried: dict[str, set[str]] = defaultdict(set)
        for entry in self.active.values():
            for part, rows in entry.parts.items():
                shard, digests = paths.shard_folder(part), {row.id for row in rows.removed}
                now = self.joins.folder(shard)
                if rows.ids or shard == now:
                    held = self._parts[now].setdefault((part, rows.sha256), set())
                    held.update(rows.ids)
                (carried if entry.carries(part) else self._removed)[shard].update(digests)
                self._ids.update(rows.ids, digests)
        self.removed = sum(map(len, self._removed.values()))
        """Number of deleted rows that are in no file any more; it never falls."""
        for shard, digests in carried.items():
            self._removed[shard] |= digests

    def __len__(self) -> int:
        """Return the number of deleted rows."""
        there = sum(len(ids) for parts in self._parts.values() for ids in parts.values())
        return there + self.removed

    @property
    def blocked(self) -> frozenset[str]:
        """Digests of ids and of image files that are not to be embedded."""
        return frozenset(each for entry in self.active.values() for each in entry.blocked)

    def covers(self, part: str, id: str) -> bool:
        """Return whether the row ``id`` of a part file is deleted, or its like in a joined one."""
        shards = self.joins.folders(paths.shard_folder(part))
        if id in self._ids and any(id in ids for ids in self._parts.get(shards[-1], {}).values()):
            return True
        removed = [self._removed[shard] for shard in shards if self._removed.get(shard)]
        digest = id_digest(id) if removed else ""
        return any(digest in digests for digests in removed)

    def among(self, ids: Iterable[str], removed: bool = True) -> list[str]:
        """Return those of ``ids`` of which a row is deleted, in some shard.

        Args:
            ids: to look for.
            removed: whether rows that are in no file any more can be among them.
        """
        digests = removed and any(self._removed.values())
        return [id for id in ids if id in self._ids or (digests and id_digest(id) in self._ids)]

    def of_parts(self, shard: str, parts: Sequence[Part]) -> dict[str, set[str]] | None:
        """Return the deleted ids of a shard by part file, those of removed rows excepted.

        Returns:
            None: a part is another than the one that rows were deleted from, so that only their
            shard is known.
        """
        known = {(part.file, part.sha256) for part in parts}
        deleted = self._parts.get(shard, {})
        if not deleted.keys() <= known:
            return None
        return {file: ids for (file, _), ids in deleted.items()}


class TombstoneFolder:
    """The entries of a store; each is read once."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._entries: dict[str, Entry] = {}
        self._known: Tombstones | None = None

    def read(self, faults: list[ClipvecError] | None = None) -> Tombstones:
        """Return what is deleted now: one listing, and a request for each new entry.

        Entries go only where others have what they say: where known ones are missing, or there are
        none at all, it is made sure that the store is still there. An empty mount point deletes
        nothing either.

        Args:
            faults: takes the errors of entries that are left out; None: the first is raised.

        Raises:
            SchemaError: another version of clipvec wrote an entry.
            DamagedTombstones: an entry is not what was written.
            StoreError: the store does not answer, or is gone.
        """
        names = self._listed()
        if not names or self._entries.keys() - names:
            self._check_store()
        if self._known is None or self._entries.keys() != names:
            found = self._read(names, self._entries, faults)
            # one went after it was listed: the entry that took its place may not have been
            while found.keys() != names and (now := self._listed()) != names:
                names, found = now, self._read(now, found, faults)
            if self._known is None or found.keys() != self._entries.keys():
                self._entries, self._known = found, Tombstones(found)
        return self._known

    def _listed(self) -> set[str]:
        listed = self._folder.all_names(paths.TOMBSTONES)
        entries = {name: is_file for name, is_file in listed.items() if _is_entry(name)}
        if no_files := sorted(name for name, is_file in entries.items() if not is_file):
            file = self._folder.path(f"{paths.TOMBSTONES}/{no_files[0]}")
            raise DamagedTombstones(f"{file} is damaged (it is not a regular file); {_MEND}")
        return {name.removesuffix(".json") for name in entries}

    def _read(
        self, names: set[str], known: Mapping[str, Entry], faults: list[ClipvecError] | None
    ) -> dict[str, Entry]:
        """Return entries by name, without those that are gone."""
        found = {name: entry for name, entry in known.items() if name in names}
        new = [f"{paths.TOMBSTONES}/{name}.json" for name in sorted(names - known.keys())]
        for file, data in self._folder.read_each(new).items():
            try:
                entry = Entry.from_json(data, self._folder.path(file))
            except (DamagedTombstones, SchemaError) as error:
                if faults is None:
                    raise
                faults.append(error)
                continue
            found[file.rpartition("/")[2].removesuffix(".json")] = entry
        return found

    def _check_store(self) -> None:
        try:
            self._folder.read(paths.STORE_JSON)
        except OSError as error:
            raise StoreError(f"there is no store at {self._folder.url}") from error

    def add(self, entry: Entry) -> str:
        """Write an entry, after which no reader shows its rows, and return its name.

        Raises:
            StoreError: it cannot be written.
        """
        self.rewrite(entry.name, entry)
        return entry.name

    def rewrite(self, name: str, entry: Entry) -> None:
        """Write an entry in the place of one that deletes the same rows; see `add`."""
        self._folder.write(f"{paths.TOMBSTONES}/{name}.json", entry.to_json())
        self._entries[name], self._known = entry, None

    def remove(self, name: str) -> None:
        """Remove an entry of which another says all."""
        self._folder.remove(f"{paths.TOMBSTONES}/{name}.json")


def _rows(sha256: str, ids: list[str], removed: Iterable[Sequence[Any]]) -> DeletedRows:
    return DeletedRows(sha256, ids, [RemovedRow(*row) for row in removed])


def _is_entry(name: str) -> bool:
    stem, dot, suffix = name.partition(".")
    return bool(_NAME.fullmatch(stem)) and dot + suffix == ".json"


def state(deleted: Iterable[str]) -> str:
    """Return 16 hexadecimal digits that stand for a set of ids; empty if there are none."""
    ids = sorted(deleted)
    return files.digest(ids)[:16] if ids else ""
