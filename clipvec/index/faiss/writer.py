"""A FAISS index that is being built: trained, encoded part by part, put in the order of rows."""

from __future__ import annotations

import contextlib
import itertools
import logging
import shutil
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clipvec.errors import CollectionError, ConfigError
from clipvec.files import size_and_sha256
from clipvec.index import rows_writer
from clipvec.index.backend import IndexWriter, check_made_of, duplicate_id_message
from clipvec.index.base import PART, BuildStats, IndexInfo
from clipvec.index.faiss import lists
from clipvec.index.faiss.factory import FLAT, choose, kept, lists_of, with_fewer_lists
from clipvec.index.faiss.index import FaissIndex
from clipvec.index.faiss.manifest import HeldPart, Manifest
from clipvec.index.faiss.segments import MOST_BYTES, Segments
from clipvec.index.faiss.training import Encoder, Training
from clipvec.index.lock import locked
from clipvec.index.rows import RowsTable
from clipvec.machine import peak_bytes
from clipvec.paths import shard_folder
from clipvec.progress import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from clipvec.config import FaissConfig
    from clipvec.index.backend import LedgerEntry
    from clipvec.index.faiss.segments import Segment
    from clipvec.paths import FaissPaths
    from clipvec.store import LivePart, Store

_BLOCK = 4096
"""Rows of a part that are encoded together, counted from its start."""
_MANY = 4
"""How many times as many lists as it has would suit an index that is told so."""
log = logging.getLogger(__name__)


@dataclass
class _Old:
    """A part of the published index whose rows are used again."""

    rows: slice
    """Its rows there."""
    part: HeldPart
    """What the ledger says of it."""


class FaissWriter(IndexWriter):
    """Builds an index beside the published one, from whose rows it takes what is still right."""

    max_batch_rows = None
    rows_folder = None  # the table is a part of the index, and is written with it

    def __init__(
        self,
        files: FaissPaths,
        name: str,
        store: Store,
        config: FaissConfig,
        replaces: str | None,
    ) -> None:
        """Begin the next build, or go on with it.

        Args:
            files: of the index.
            name: its name.
            store: of the rows.
            config: how to build it.
            replaces: the build in whose place to build from nothing, empty where there is none;
                None: what is still right of the published one is taken.
        """
        self._files, self._name, self._store, self._config = files, name, store, config
        self.location = str(files.folder)
        self._published: Manifest | None = None
        self._replaces = replaces or ""
        if replaces is None and files.manifest.is_file():
            self._published = Manifest.read(files.manifest)
            check_made_of(self._published.index_info(self.location), self.location, store)
        self._info = IndexInfo.of(store).to_json()
        self._old: dict[str, _Old] = {}
        self._segments: dict[str, Segment] = {}
        self._pending: dict[str, _Buffer] = {}
        self._shard: list[tuple[HeldPart, np.ndarray]] = []
        """Parts of the shard that is being encoded, and their codes."""
        self._grown: Manifest | None = None
        """The published index, if it has the same kind of codes."""
        self._took: list[BuildStats] = []
        """What the training took."""

    def __exit__(self, *raised: object) -> None:
        """Keep what is encoded when the command is stopped."""
        if isinstance(raised[1], KeyboardInterrupt):
            try:
                self.flush()
            except CollectionError as error:  # the command ends as stopped all the same
                log.warning("%s", error)

    def __enter__(self) -> FaissWriter:
        """Return the writer."""
        return self

    def prepare(self, parts: Sequence[LivePart]) -> None:
        """Choose the kind of index, train it, and find what was encoded before; remove the rest."""
        self.prepare_shards(parts, parts)
        if self._published is not None:
            # not before: of jobs that encode, none needs its lists, which are compared when opened
            self._index = FaissIndex(self._name, self._files, self._config, self._files.manifest)
        kept = {segment.path for segment in self._segments.values()}
        encoded = (path for each in self._files.all_encoded() for path in each.all_codes())
        left = [path for path in encoded if path not in kept]
        with self._errors():
            for path in left:
                path.unlink()
        if left:
            log.info("%s: not of this build, and removed", counted(len(left), "encoded file"))

    def prepare_shards(self, parts: Sequence[LivePart], mine: Sequence[LivePart]) -> None:
        """Choose the kind of index, train it, and find what of ``mine`` was encoded before.

        Args:
            parts: of the whole index.
            mine: those to encode; the others may be encoded by other jobs meanwhile.
        """
        self._live = list(parts)
        self._parts = [HeldPart.of(part) for part in parts]
        rows, dim = sum(part.rows for part in parts), self._store.fingerprint.model.dim
        self._factory = self._choose(rows, dim)
        fewer = with_fewer_lists(self._factory)
        self.rebuild_hint = "" if fewer == self._factory else f"'index.factory=\"{fewer}\"'"
        published = self._published
        same = published is not None and published.factory == self._factory
        grown = self._grown = published if same else None
        if grown is not None:
            start = 0
            for part in grown.parts:
                self._old[part.file] = _Old(slice(start, start + part.rows), part)
                start += part.rows
            self._kept = np.ones(start, np.bool_)
        if not self.encodes:
            return
        with self._errors():
            if grown is not None:
                encoded = self._files.encoded(grown.build_id)
                self._trained = self._files.build(grown.build_id).trained
                grown.check(self._trained)
            else:
                training = Training(self._factory, self._info, replaces=self._replaces)
                encoded = self._files.encoded(training.name)
                with locked(self.location, self._files.training_lock, wait=True):
                    self._took = [training.ensure(encoded, self._store, self._live)]
                self._trained = encoded.trained
            digest = str(size_and_sha256(self._trained)[1])
            self._encoder = Encoder(lists.read_trained(self._trained))
            self._encoded = Segments(encoded, digest, self._encoder.dtype)
            wanted = {encoded.codes(part.file) for part in mine}
            files = [path for path in encoded.all_codes() if path in wanted]
            self._segments = self._encoded.find(map(HeldPart.of, mine), files)
            for file in self._segments:
                self._old.pop(file, None)
        self._flushed = time.monotonic()

    def _choose(self, rows: int, dim: int) -> str:
        """Return the factory string; that of the published index, as long as that suits."""
        given = self._config.factory
        wanted = choose(given, rows, dim) if rows else FLAT
        built = wanted if self._published is None else self._published.factory
        chosen = kept(given, wanted, built)
        if chosen is None:
            raise ConfigError(
                f"{self.location} was built with index.factory={built}, not {wanted}, which cannot "
                "change; rebuild it with --rebuild"
            )
        if lists_of(wanted) > _MANY * lists_of(chosen):
            log.warning(
                "%s has %d lists, %d would suit %s rows; --rebuild makes them",
                *(self.location, lists_of(built), lists_of(wanted), f"{rows:,}"),
            )
        return chosen

    def ledger(self) -> dict[str, LedgerEntry]:
        """Return the part files that are in the published index, or encoded for the next."""
        held = [*(old.part for old in self._old.values())]
        held += [segment.part for segment in self._segments.values()]
        return {part.file: part.entry for part in held}

    def drop(self, files: Iterable[str]) -> None:
        """Leave the rows of part files out of the next index."""
        for file in files:
            self._old.pop(file, None)
            self._segments.pop(file, None)

    def delete(self, file: str, ids: Sequence[str]) -> None:
        """Leave those rows of a part file that have one of ``ids`` out of the next index."""
        rows = self._old[file].rows
        self._kept[rows] &= ~self._index.table.has_ids(rows, ids)

    def count_part(self, file: str) -> int:
        """Return the number of rows from a part file."""
        if (old := self._old.get(file)) is not None:
            return int(self._kept[old.rows].sum())
        held = self._segments.get(file)
        return held.part.rows if held else 0

    @contextlib.contextmanager
    def loading(self, parts: Sequence[LivePart]) -> Iterator[None]:
        """Keep the codes of ``parts`` once all of their rows are added."""
        self._pending = {part.file: _Buffer() for part in parts}
        yield
        for part in map(HeldPart.of, parts):
            if part.file in self._old:  # of which rows were deleted
                self._old[part.file].part = part
            elif self.encodes:
                self._keep(part, self._pending[part.file].end(self._encoder))
        self._pending = {}

    def _keep(self, part: HeldPart, codes: np.ndarray) -> None:
        """Put the codes of a part to those of its shard."""
        shards = {shard_folder(each.file) for each, _ in self._shard} | {shard_folder(part.file)}
        if len(shards) > 1 or sum(codes.nbytes for _, codes in self._shard) >= MOST_BYTES:
            self.flush()
        self._shard.append((part, codes))

    def flush(self) -> None:
        """Write the codes of the last shard to a file.

        Raises:
            CollectionError: they cannot be written.
        """
        if self._shard:
            parts, codes = zip(*self._shard, strict=True)
            seconds = time.monotonic() - self._flushed
            stats = BuildStats(sum(part.rows for part in parts), seconds, peak_bytes())
            with self._errors():
                written = self._encoded.write(parts, codes, stats)
            self._flushed = time.monotonic()
            self._segments |= {segment.part.file: segment for segment in written}
            self._shard = []

    @property
    def encodes(self) -> bool:
        """Whether rows have codes; those of a flat index have none."""
        return self._factory != FLAT

    def lacking(self) -> list[LivePart]:
        """Return the parts of the index that neither it holds nor any job has encoded."""
        encoded = self._encoded.begun(self._parts)
        return [
            part
            for part in self._live
            if HeldPart.of(part) not in encoded
            # rows that were deleted since are taken out when the index is written
            and not ((old := self._old.get(part.file)) and old.part.sha256 == part.sha256)
        ]

    def add(self, vectors: np.ndarray, rows: pa.Table) -> None:
        """Encode rows of the parts that are loading; the table of rows is read when all are."""
        if not self.encodes:
            return
        files = rows[PART].to_numpy()
        starts = [0, *(np.flatnonzero(files[1:] != files[:-1]) + 1), len(files)]
        for start, stop in itertools.pairwise(starts):
            self._pending[files[start]].add(vectors[start:stop], self._encoder)

    def finish(self) -> FaissIndex:
        """Write the next index and return it; the published one where nothing differs.

        Raises:
            CollectionError: an id occurs twice, or the index cannot be written.
            StoreError: a part cannot be read.
        """
        self.flush()
        published, grown, started = self._published, self._grown, time.monotonic()
        same = grown is not None and grown.info == self._info
        if grown is not None and same and [*grown.parts] == self._parts:
            return self._index
        search = {} if published is None else published.search
        manifest = Manifest(self._info, self._factory, self._parts, search=search)
        build = self._files.build(manifest.build_id)
        before = None if published is None else self._index.rows_folder
        if manifest.rows:
            rows_writer.write(build.folder, self._store, self._live, before)
        self._check_ids(build.folder)
        with self._errors():
            for folder in (build.folder, self._files.next):
                folder.mkdir(parents=True, exist_ok=True)
            if self.encodes:
                shutil.copyfile(self._trained, build.trained)
                nlist, dtype = lists_of(self._factory), self._encoder.dtype
                codes = self._gather()
                lists.write(build, self._files.sorting, nlist, manifest.rows, codes, dtype)
                manifest = manifest.with_files(*build.all)
            stats = self._stats(manifest.rows, time.monotonic() - started)
            replace(manifest, build_stats=stats).write(self._files.staged)
        return FaissIndex(self._name, self._files, self._config, self._files.staged)

    def _stats(self, rows: int, seconds: float) -> BuildStats | None:
        """Return what the build took, the jobs that trained and encoded too; None: it is no whole.

        Args:
            rows: of the index.
            seconds: that it took to write it.
        """
        if self._grown is not None:
            return None
        encoded = {segment.path: segment.stats for segment in self._segments.values()}
        took = [*self._took, *encoded.values()]
        peaks = [peak_bytes(), *(each.peak_bytes or 0 for each in took)]
        return BuildStats(rows, seconds + sum(each.seconds for each in took), max(peaks))

    def set_expected_rows(self, rows: int | None) -> None:
        """Do nothing: an index appears when it is complete."""

    def set_build_stats(self, stats: BuildStats | None) -> None:
        """Do nothing: what each job took is beside what it made."""

    def _check_ids(self, folder: Path) -> None:
        """Refuse an id that two rows have."""
        table = RowsTable.find(folder)
        if table is not None and (rows := table.double()):
            one, other = table.hits(np.array(rows), np.ones(2))
            raise CollectionError(
                f"{self.location}: {duplicate_id_message(one.id, one.part, other.part)}"
            )

    def _gather(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield numbers of rows, int64 [N], and their lists and codes, until those of all rows."""
        dtype = self._encoder.dtype
        moved = np.full(len(self._kept) if self._old else 0, -1, np.int64)
        start = 0
        for part in self._parts:
            stop = start + part.rows
            if old := self._old.get(part.file):
                kept = old.rows.start + np.flatnonzero(self._kept[old.rows])
                moved[kept] = np.arange(start, stop)
            else:
                yield np.arange(start, stop), self._segments[part.file].codes(dtype)
            start = stop
        if self._old and self._published is not None:
            build = self._files.build(self._published.build_id)
            for held, some in lists.read_codes(build, dtype):
                here = moved[held]
                yield here[here >= 0], some[here >= 0]

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn a full disk and the like into one line."""
        with folder_errors(self.location):
            yield


class _Buffer:
    """Rows of one part on their way to codes."""

    def __init__(self) -> None:
        self._waiting: list[np.ndarray] = []
        self._codes: list[np.ndarray] = []

    def add(self, vectors: np.ndarray, encoder: Encoder) -> None:
        """Encode whole blocks, counted from the start of the part, and keep the rest."""
        waiting = np.concatenate([*self._waiting, vectors])
        whole = len(waiting) - len(waiting) % _BLOCK
        for start in range(0, whole, _BLOCK):
            self._codes.append(encoder.encode(waiting[start : start + _BLOCK]))
        self._waiting = [waiting[whole:]]

    def end(self, encoder: Encoder) -> np.ndarray:
        """Return lists and codes of all rows, `Encoder.dtype` [N]."""
        rest = [vectors for vectors in self._waiting if len(vectors)]
        codes = [*self._codes, *map(encoder.encode, rest)]
        return np.concatenate(codes) if codes else np.empty(0, encoder.dtype)


@contextlib.contextmanager
def folder_errors(location: str) -> Iterator[None]:
    """Turn an error of the file system into one line about ``location``."""
    try:
        yield
    except OSError as error:
        raise CollectionError(
            f"{location} cannot be written ({error}); free space, or make it writable, and run the "
            "same command again, or choose another index.path"
        ) from error
