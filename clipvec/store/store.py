"""The shards of one dataset embedded by one model."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any

from clipvec import files, paths, shards
from clipvec.errors import FingerprintError, StoreError
from clipvec.store.commits import Commits
from clipvec.store.fingerprint import Fingerprint
from clipvec.store.folder import Folder
from clipvec.store.generations import Generation, Generations, replaced_sources
from clipvec.store.joins import Joins
from clipvec.store.live import LivePart
from clipvec.store.nearby import stores_near
from clipvec.store.reading import PartReader
from clipvec.store.schema import SOURCE, part_schema
from clipvec.store.shard import ShardWriter
from clipvec.store.tombstones import TombstoneFolder, Tombstones

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    import pyarrow as pa

    from clipvec.errors import ClipvecError
    from clipvec.store.part import LedgerRow, Part
    from clipvec.store.shard import CommitMarker

_SCHEMA = 5
"""Schema number of ``store.json``."""
log = logging.getLogger(__name__)
_MEND = "use the version of clipvec that made the store, or another store.root"


class Store:
    """A store on a disk, a mounted bucket, or an object store."""

    def __init__(
        self, folder: Folder, values: Mapping[str, Any], entries: TombstoneFolder | None = None
    ) -> None:
        """Read the content of ``store.json``; ``entries`` are known ones."""
        self.folder = folder
        self.entries = entries or TombstoneFolder(folder)
        self._values = values
        self.fingerprint = Fingerprint.from_json(values["fingerprint"])
        self.model = dict(values["model"])
        """The model's configuration, enough to rebuild the encoder."""
        count = self.fingerprint.sharding_count
        self._commits = Commits(folder, self._again)
        begun = self.begun if self.fingerprint.grows else None
        self.generations = Generations(folder, Generation(0, 0, count, 0), self._joins, begun)
        self.reused = str(values["reused"])
        """`digest` of the store whose rows it took over when it was begun; empty: of none."""
        made = {key: value for key, value in values["fingerprint"].items() if key != "code"}
        self.digest = files.digest([made, self.reused])[:16]
        """What its parts say of where they belong: it stands for all that made them but the
        version of clipvec, so that any writes a ``store.json`` again that was lost."""
        self._reader = PartReader(folder, self._commits, self.digest, self.schema)

    @property
    def url(self) -> str:
        """Its location: an absolute path, or a URL."""
        return self.folder.url

    @classmethod
    def find(cls, url: str) -> Store | None:
        """Return the store at ``url``, or None if there is none yet.

        Raises:
            StoreError: it cannot be read.
        """
        folder = Folder(url)
        try:
            file = folder.path(paths.STORE_JSON)
            values = files.from_json(folder.read(paths.STORE_JSON), _SCHEMA, file, _MEND)
            return cls(folder, values)
        except FileNotFoundError:
            return None
        except (files.NotAFile, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{folder.path(paths.STORE_JSON)} is not what embed wrote ({error}); remove it "
                "and run the clipvec embed that made the store, which writes it again, or is "
                "store.root another folder?"
            ) from error

    @classmethod
    def open(cls, url: str) -> Store:
        """Return the store at ``url``.

        Raises:
            StoreError: there is none, or it cannot be read.
        """
        store = cls.find(url)
        if store is None:
            raise StoreError(
                f"there is no store at {Folder(url).url}{stores_near(url)}; create it with clipvec "
                "embed, or give the same store.root, dataset and model as then"
            )
        return store

    @classmethod
    def create(
        cls, url: str, fingerprint: Fingerprint, model: Mapping[str, Any], reused: str = ""
    ) -> Store:
        """Create the store at ``url``, or adopt one that another job created meanwhile.

        Args:
            url: where to.
            fingerprint: of its dataset and model.
            model: the model's configuration.
            reused: `digest` of the store whose rows it takes over; empty: of none.

        Raises:
            StoreError: it cannot be written.
            FingerprintError: there are parts without their ``store.json``, made with another one.
        """
        folder = Folder(url)
        values = {"fingerprint": fingerprint.to_json(), "model": dict(model), "reused": reused}
        if cls.find(url) is None:
            try:
                cls(folder, values)._reader.check_begun()
            except FingerprintError:
                if cls.find(url) is None:  # else of another job, on another device perhaps
                    raise
        folder.create(paths.STORE_JSON, files.to_json(values, _SCHEMA))
        return cls.open(url)

    def again(self) -> Store:
        """Return the store as it is now; entries of deletions that are known are not read again."""
        return Store(self.folder, self._values, self.entries)

    def check_fingerprint(self) -> None:
        """Refuse to go on with a ``store.json`` that none of some committed parts was made with.

        Raises:
            StoreError: it was changed after embed wrote it.
        """
        self._reader.check_fingerprint()

    def schema(self) -> pa.Schema:
        """Return the Arrow schema of the parts."""
        known = self.fingerprint
        return part_schema(known.model.dim, known.dtype, known.thumbnail > 0, known.attributes)

    def committed(
        self, among: Iterable[int] | None = None, faults: list[ClipvecError] | None = None
    ) -> dict[int, CommitMarker]:
        """Return the commit markers of the committed shards, by shard, ascending.

        This lists the shards' folders and reads the markers; the number of parts does not matter.

        Args:
            among: the shards to look at; None: those that readers see.
            faults: takes the errors of markers that are left out; None: the first is raised.

        Raises:
            StoreError: a marker cannot be read.
            SchemaError: a different version of clipvec wrote one.
        """
        found = self._commits.read(self.shards if among is None else among, faults)
        if among is None:
            self.check_joined(shard for shard in self.shards if shard not in found)
        return found

    def complete(
        self, among: Iterable[int] | None = None, lacking: dict[int, str] | None = None
    ) -> dict[int, CommitMarker]:
        """Return what `committed` does, of those shards alone whose files are all there.

        A marker may be all that arrived of a shard: where a mounted bucket takes files in any order
        (MOUNT_CACHED), and the machine went away. This lists the folder of each committed shard.

        Args:
            among: the shards to look at; None: those that readers see.
            lacking: takes what is missing of the others, or has another size, by shard.

        Raises:
            StoreError: as in `committed`.
        """
        wanted = self.shards if among is None else among
        found = self._commits.complete(wanted, {} if lacking is None else lacking)
        if among is None:
            self.check_joined(shard for shard in self.shards if shard not in found)
        return found

    def reopen(self, shard: int) -> None:
        """Remove the commit marker of a shard that is not `complete`, so that it is embedded again.

        Raises:
            StoreError: the store cannot be written.
        """
        self.folder.remove(paths.ShardPaths(shard).done)

    def check_joined(self, missing: Iterable[int]) -> None:
        """Refuse to go on without shards whose rows came into another one meanwhile.

        Raises:
            StoreError: one of those that are ``missing`` is such a shard.
        """
        if self._was_joined(missing):
            raise StoreError(
                f"clipvec compact joined shards of {self.url} after this command began; run the "
                "same command again"
            )

    def _was_joined(self, shards: Iterable[int]) -> bool:
        """Return whether the rows of one of some shards are in another one by now."""
        later = [shard for shard in shards if shard >= self.fingerprint.sharding_count]
        joins = TombstoneFolder(self.folder).read().joins if later else Joins()
        return any(joins.shard(shard) != shard for shard in later)

    def _joins(self) -> Joins:
        """Return what was joined; with a lambda in its place a store could not be pickled."""
        return self.tombstones.joins

    @cached_property
    def tombstones(self) -> Tombstones:
        """The rows that were deleted when this was first asked for: a run has one view of them.

        Raises:
            StoreError: they cannot be read.
        """
        return self.entries.read()

    @cached_property
    def shards(self) -> list[int]:
        """The shards that readers see, ascending: those of all published generations.

        Raises:
            StoreError: the tombstones or the generations cannot be read, or lack a file.
        """
        known = self.tombstones
        stop = self.generations.num_shards(
            known.published, lambda: TombstoneFolder(self.folder).read().published
        )
        return [shard for shard in range(stop) if known.joins.shard(shard) == shard]

    def planned(self) -> list[Generation]:
        """Return all generations, those that readers do not see yet too.

        Raises:
            StoreError: they cannot be read, or one is gone of which something else is left.
        """
        published, begun = self.tombstones.published, self.begun()  # before what is added meanwhile
        return self.generations.planned(published, begun)

    def begun(self) -> list[int]:
        """Return the numbers of the shards that have a folder, ascending."""
        return self._commits.begun()

    def unfinished(self, seen: Container[int] | None = None) -> list[int]:
        """Return the shards that readers do not see: not `complete`, or not published.

        Args:
            seen: those that they see; None: they are looked up.

        Raises:
            StoreError: they cannot be read; see `planned`.
        """
        known = self.complete() if seen is None else seen
        planned = (shard for generation in self.planned() for shard in generation.shards)
        return [shard for shard in planned if shard not in known]

    def tell_unfinished(self, what: str, seen: Container[int] | None = None) -> None:
        """Log which shards readers do not see, and what comes of it; see `unfinished`."""
        if missing := self.unfinished(seen):
            log.warning(
                "shards that are not finished %s: %s; clipvec embed finishes them",
                *(what, shards.format(missing)),
            )

    def is_published(self, generation: Generation) -> bool:
        """Return whether readers see a generation, as far as it is committed."""
        return not generation.number or generation.number in self.tombstones.published

    def parts(self, among: Iterable[int] | None = None) -> list[LivePart]:
        """Return the parts of committed shards as readers see them, see `committed`."""
        markers = self.committed(among).values()
        return [part for marker in markers for part in self.live_parts(marker)]

    def live_parts(self, marker: CommitMarker) -> list[LivePart]:
        """Return the parts of a committed shard without their deleted rows.

        Raises:
            StoreError: the tombstones cannot be read.
        """
        shard = paths.ShardPaths(marker.shard).folder
        deleted = self.tombstones.of_parts(shard, marker.parts)
        if deleted is None:  # embedded again, with other rejects perhaps: where are they now?
            sources = self._replaced(marker.shard)
            deleted = {part.file: self._held(part, sources) for part in marker.parts}
        return [LivePart.of(part, deleted.get(part.file, ())) for part in marker.parts]

    def _replaced(self, shard: int) -> set[int]:
        """Return the sources of a shard's generation that published ones replace."""
        generations = self.generations.all()
        mine = next((each.number for each in generations if shard in each.shards), None)
        if mine is None:
            self.check_joined([shard])
            return set()
        later = [g for g in generations if g.number > mine and self.is_published(g)]
        found = [replaced_sources(self.generations.plan(each)) for each in later]
        return {int(source) for pairs in found for number, source in pairs if number == mine}

    def _held(self, part: Part, sources: set[int]) -> set[str]:
        """Return the ids of the rows of a part that are deleted or of ``sources``."""
        return {
            id
            for piece in self.read_all(part, ["id", SOURCE])
            for id, source in zip(piece["id"].to_pylist(), piece[SOURCE].to_pylist(), strict=True)
            if source in sources or self.tombstones.covers(part.file, id)
        }

    def rejects(self, markers: Iterable[CommitMarker]) -> dict[int, list[LedgerRow]]:
        """Return the reject ledgers of committed shards, once compared with their markers.

        Raises:
            StoreError: a ledger is damaged, or has other rows than its marker counts.
        """
        return self._commits.rejects([*markers])

    def writer(self, shard: int, *, reusing: bool = False) -> ShardWriter:
        """Return the writer of an uncommitted shard, positioned after its finished parts.

        Args:
            shard: its number.
            reusing: whether its rows are those of another store, see `clipvec.store.reused`.
        """
        named = {file for entry in self.tombstones.active.values() for file in entry.parts}
        return ShardWriter(self.folder, shard, self.schema(), self.digest, named, reusing)

    def read(
        self, part: LivePart, columns: Sequence[str] | None = None, batch_rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part in batches, without those that are deleted; see `read_all`."""
        for _, piece in self.numbered(part, columns, batch_rows):
            yield piece

    def numbered(
        self, part: LivePart, columns: Sequence[str] | None = None, batch_rows: int = 4096
    ) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """Yield what `read` yields, each piece after its rows' positions in the file, int64 [N]."""
        names = columns if columns is None else [*dict.fromkeys([*columns, "id"])]
        pieces = self.read_all(part.part, names if part.deleted else columns, batch_rows)
        yield from part.live(pieces, columns)

    def read_all(
        self, part: Part, columns: Sequence[str] | None = None, batch_rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part in batches, those that are deleted too.

        The first time, all of the part but its thumbnails is read at once, those too if ``columns``
        has them, and compared with the checksum in its shard's commit marker; later, no more than
        the ``columns``.

        Raises:
            StoreError: the file is missing, damaged, or another than was committed.
        """
        import pyarrow as pa

        try:
            yield from self._reader.batches(part, columns, batch_rows)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self.damaged(part, error) from error

    def damaged(self, part: Part, error: Exception) -> StoreError:
        """Return the error of a part that cannot be read, with its mend."""
        shard = part.shard
        markers = self.committed([shard]).values()
        if any(part not in marker.parts for marker in markers) or self._was_joined([shard]):
            return StoreError(
                f"{self.folder.path(part.file)} is no longer what was committed when this command "
                "began, as after clipvec compact; run the same command again"
            )
        return StoreError(
            f"{self.folder.path(part.file)} is missing or damaged ({error}): remove "
            f"{self.folder.path(paths.ShardPaths(shard).done)} and embed "
            f"{self._again(shard)} again, which keeps the parts that are whole"
        )

    def _again(self, shard: int) -> str:
        """Return the option by which a shard that is not committed is embedded, as embed counts."""
        if shard >= self.fingerprint.sharding_count:
            shard -= next(first for first in self._firsts if first <= shard)
        return f"shards={shard}"

    @cached_property
    def _firsts(self) -> list[int]:
        """The first shard of each generation, newest first."""
        return [generation.first for generation in reversed(self.generations.all())]

    def compare(self, part: LivePart) -> None:
        """Compare a part with the checksum in its shard's commit marker, without its thumbnails.

        Raises:
            StoreError: the file is missing, damaged, or another than was committed.
        """
        next(self.read_all(part.part, ["id"]), None)
