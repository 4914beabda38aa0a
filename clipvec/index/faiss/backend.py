"""FAISS indexes on disk as an index backend."""

from __future__ import annotations

import contextlib
import re
import shutil
from typing import TYPE_CHECKING

from clipvec.errors import CollectionError, SchemaError
from clipvec.files import file_state
from clipvec.index.backend import IndexBackend
from clipvec.index.faiss.factory import FLAT, choose
from clipvec.index.faiss.forecast import Forecast, memory_bytes
from clipvec.index.faiss.index import FaissIndex
from clipvec.index.faiss.library import library
from clipvec.index.faiss.manifest import Manifest
from clipvec.index.faiss.writer import FaissWriter, folder_errors
from clipvec.index.load import Plan, load
from clipvec.index.lock import locked
from clipvec.paths import FaissPaths, IndexPaths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.config import FaissConfig, IndexCommandConfig
    from clipvec.store import LivePart, Store

_BUILD = re.compile(r"[0-9a-f]{32}")


class FaissBackend(IndexBackend):
    """Indexes in a folder."""

    keeps_bytes = False  # each build is new, and the one before is removed

    def __init__(self, config: FaissConfig) -> None:
        library()
        self._config, self._root = config, IndexPaths(config.path)
        self._before: str | None = None
        """The build that was published when this began to encode, as one of several jobs."""

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

    @contextlib.contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Lock an index, and remove what an interrupted command left, but for encoded parts."""
        files = self._files(name)
        with contextlib.ExitStack() as stack:
            with folder_errors(str(files.folder)):
                lock, wait = self._root.lock(name), self._before is not None
                stack.enter_context(locked(str(files.folder), lock, wait=wait))
                _check_ours(files)
                files.staged.unlink(missing_ok=True)
                _remove_builds(files)
            yield

    def begin(self, name: str, store: Store, command: IndexCommandConfig) -> FaissWriter:
        """Return a writer for the next build of an index."""
        files, rebuild = self._files(name), command.rebuild
        if rebuild and self._before is None:
            shutil.rmtree(files.next, ignore_errors=True)
        elif rebuild:  # unless another job was faster
            rebuild = _published(files) == self._before
        return FaissWriter(files, name, store, self._config, rebuild)

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
        with folder_errors(str(files.folder)):
            _check_ours(files)
        self._before = _published(files)
        with self.begin(name, store, command) as writer:
            writer.prepare_shards(parts, mine)
            plan = Plan.make(mine, writer.ledger())
            plan.drop = []  # of parts of others
            load(writer, store, plan, command.batch_rows, lambda rows: None)
            writer.flush()
            return writer.lacking()

    def publish(self, name: str) -> None:
        """Put the build that is staged, if there is one, in the place of the old one."""
        files = self._files(name)
        with folder_errors(str(files.folder)):
            if files.staged.is_file():
                files.staged.replace(files.manifest)
                _remove_builds(files)
            if files.next.exists():  # as after a kill between the two
                shutil.rmtree(files.next)

    def memory_bytes(self, rows: int, dim: int, command: IndexCommandConfig) -> int:
        """Return roughly the memory that the building takes; the index itself is mapped."""
        return memory_bytes(choose(self._config.factory, rows, dim), rows, dim)

    def forecast(self, rows: int, dim: int) -> str:
        """Return in words what the building of an index takes."""
        factory = choose(self._config.factory, rows, dim) if rows else FLAT
        return f"{factory}: {Forecast.of(factory, rows, dim)}"

    def _files(self, name: str) -> FaissPaths:
        return FaissPaths(self._root.collection(name))


def _check_ours(files: FaissPaths) -> None:
    """Refuse a folder of something else."""
    if not files.folder.exists() or files.manifest.is_file():
        return
    for path in files.folder.iterdir():
        if path != files.next and not _BUILD.fullmatch(path.name):
            raise CollectionError(
                f"{files.folder} is not empty and not a FAISS index of clipvec; choose another "
                "index.path"
            )


def _published(files: FaissPaths) -> str:
    """Return the build that is published; empty: none is."""
    return Manifest.read(files.manifest).build_id if files.manifest.is_file() else ""


def _remove_builds(files: FaissPaths) -> None:
    """Remove all builds but the published one; none while it is not known which that is."""
    try:
        published = Manifest.read(files.manifest).build_id if files.manifest.exists() else None
    except (CollectionError, SchemaError):
        return
    for path in files.folder.glob("*"):
        if _BUILD.fullmatch(path.name) and path.name != published:
            shutil.rmtree(path)
