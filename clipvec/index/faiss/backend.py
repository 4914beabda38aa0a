"""FAISS indexes on disk as an index backend."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from typing import TYPE_CHECKING

from clipvec.errors import CollectionError, SchemaError
from clipvec.files import file_state, sync
from clipvec.index.backend import IndexBackend
from clipvec.index.faiss.factory import FLAT, choose, kept
from clipvec.index.faiss.forecast import Forecast, memory_bytes
from clipvec.index.faiss.index import FaissIndex
from clipvec.index.faiss.manifest import Manifest
from clipvec.index.faiss.writer import FaissWriter, folder_errors
from clipvec.index.load import Plan, load
from clipvec.index.lock import locked
from clipvec.paths import FaissPaths, IndexPaths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from clipvec.config import FaissConfig, IndexCommandConfig
    from clipvec.store import LivePart, Store

log = logging.getLogger(__name__)
_BUILD = re.compile(r"[0-9a-f]{32}")
_DAMAGED = "damaged"
"""In place of a build: ``index.json`` does not say which."""


class FaissBackend(IndexBackend):
    """Indexes in a folder."""

    keeps_bytes = False  # each build is new, and the one before is removed

    def __init__(self, config: FaissConfig) -> None:
        self._config, self._root = config, IndexPaths(config.path)
        self._replaced: str | None = None
        """The build that a rebuild by several jobs, of which this is one, replaces."""

    def names(self) -> list[str]:
        """Return the names of the published indexes."""
        found = self._root.folder.glob("*")
        return sorted(path.name for path in found if FaissPaths(path).manifest.is_file())

    def begun(self) -> list[str]:
        """Return the names of the indexes, those too of which there is but an unfinished build."""
        pieces = (FaissPaths(path).next for path in self._root.folder.glob("*"))
        return sorted({*self.names(), *(path.parent.name for path in pieces if path.is_dir())})

    def state(self, name: str) -> str | None:
        """Return another text for each build, and for each change of search settings."""
        return file_state(self._files(name).manifest)

    def open(self, name: str) -> FaissIndex:
        """Return an index."""
        files = self._files(name)
        build = Manifest.read(files.manifest).build_id
        try:
            return FaissIndex(name, files, self._config, files.manifest)
        except CollectionError:
            # another may have been published, and this one removed, since the line above
            if Manifest.read(files.manifest).build_id == build:
                raise
            return FaissIndex(name, files, self._config, files.manifest)

    def leftovers(self, name: str) -> list[Path]:
        """Return old builds, and what jobs encoded for one."""
        files = self._files(name)
        return [*_old_builds(files), *([files.next] if files.next.exists() else [])]

    @contextlib.contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Lock an index, and remove what an interrupted command left, but for encoded parts."""
        files = self._files(name)
        with contextlib.ExitStack() as stack:
            with folder_errors(str(files.folder)):
                stack.enter_context(self._locked(name, wait=self._replaced is not None))
                _check_ours(files)
                files.staged.unlink(missing_ok=True)
            _remove(_old_builds(files))
            yield

    def begin(self, name: str, store: Store, command: IndexCommandConfig) -> FaissWriter:
        """Return a writer for the next build of an index."""
        files = self._files(name)
        if command.rebuild and self._replaced is None:
            shutil.rmtree(files.next, ignore_errors=True)
        # jobs of which another has published it have nothing left to do
        rebuilds = command.rebuild and self._replaced in {None, _published(files)}
        return FaissWriter(
            files, name, store, self._config, (self._replaced or "") if rebuilds else None
        )

    def encode(
        self,
        name: str,
        store: Store,
        command: IndexCommandConfig,
        parts: Sequence[LivePart],
        mine: Sequence[LivePart],
    ) -> list[LivePart]:
        """Encode the rows of some parts, and return the parts that no job has encoded yet."""
        files = self._files(name)
        with contextlib.ExitStack() as stack:
            with folder_errors(str(files.folder)):
                stack.enter_context(self._locked(name, wait=True, shared=True))
                _check_ours(files)
            given = command.rebuild
            self._replaced = given if isinstance(given, str) else _published(files)
            writer = stack.enter_context(self.begin(name, store, command))
            writer.prepare_shards(parts, mine)
            if not writer.encodes:
                return []
            plan, files_of_mine = Plan.make(mine, writer.ledger()), {part.file for part in mine}
            plan.drop = [file for file in plan.drop if file in files_of_mine]
            load(writer, store, plan, command.batch_rows, lambda rows: None)
            writer.flush()
            return writer.lacking()

    def published(self, name: str) -> str:
        """Return the build that is published, "damaged" if it cannot be told; empty: none is."""
        return _published(self._files(name))

    def unfinished(self, name: str) -> bool:
        """Return whether parts of an index are encoded that is not written yet."""
        return self._files(name).next.is_dir()

    def publish(self, name: str) -> None:
        """Put the build that is staged, if there is one, in the place of the old one."""
        files = self._files(name)
        with folder_errors(str(files.folder)):
            if files.staged.is_file():
                sync(files.build(Manifest.read(files.staged).build_id).folder)
                files.staged.replace(files.manifest)
                sync(files.folder)
        _remove([*_old_builds(files), files.next])

    def memory_bytes(self, rows: int, dim: int, command: IndexCommandConfig) -> int:
        """Return roughly the memory that the building takes; the index itself is mapped."""
        return memory_bytes(choose(self._config.factory, rows, dim), rows, dim)

    def forecast(self, name: str, rows: int, dim: int, command: IndexCommandConfig) -> str:
        """Return in words what the building of an index takes."""
        given = self._config.factory
        factory = choose(given, rows, dim) if rows else FLAT
        published = self._files(name).manifest
        if published.is_file() and not command.rebuild:
            factory = kept(given, factory, Manifest.read(published).factory) or factory
        return f"{factory}: {Forecast.of(factory, rows, dim)}"

    def _locked(
        self, name: str, *, wait: bool, shared: bool = False
    ) -> AbstractContextManager[object]:
        """Take the lock of an index: shared by jobs that encode, exclusive for what reads that."""
        return locked(
            str(self._files(name).folder), self._root.lock(name), wait=wait, shared=shared
        )

    def _files(self, name: str) -> FaissPaths:
        return FaissPaths(self._root.collection(name))


def _check_ours(files: FaissPaths) -> None:
    """Refuse a folder of something else."""
    if not files.folder.exists() or files.manifest.is_file():
        return
    for path in files.folder.iterdir():
        if path not in {files.next, files.manifest} and not _BUILD.fullmatch(path.name):
            raise CollectionError(
                f"{files.folder} is not empty and not a FAISS index of clipvec; choose another "
                "index.path"
            )


def _published(files: FaissPaths) -> str:
    """Return what tells the published build from others; empty: none is."""
    try:
        return Manifest.read(files.manifest).build_id if files.manifest.is_file() else ""
    except (CollectionError, SchemaError):  # which ends when another is published
        return _DAMAGED


def _old_builds(files: FaissPaths) -> list[Path]:
    """Return all builds but the published one; none while it is not known which that is."""
    published = _published(files)
    if published == _DAMAGED:
        return []
    found = files.folder.glob("*")
    return [path for path in found if _BUILD.fullmatch(path.name) and path.name != published]


def _remove(folders: Iterable[Path]) -> None:
    """Remove folders that no index needs; one that cannot be removed now is left, and named."""
    for folder in folders:
        try:
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:  # as on NFS, while a search has a file of it open
            log.warning("%s is no longer needed, but stays for now (%s)", folder, error)
