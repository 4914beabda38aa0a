"""The Chroma collection, searched as the service searches it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.config import ChromaConfig, ChromaHttpConfig, ChromaSystemConfig
from clipvec.errors import ConfigError
from clipvec.index import chroma_server, memory_bytes, open_index
from clipvec.recall.results import Build
from clipvec.recall.systems import memory
from clipvec.recall.systems.live import Live, LiveSystem

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from clipvec.recall.results import Parameters
    from clipvec.recall.task import MeasureTask
    from clipvec.store import Rows


class ChromaSystem(LiveSystem):
    """A copy of the live collection, in this process or on a server of its own.

    A collection on a server cannot be copied: it is searched there, as it is set.
    """

    def __init__(self, config: ChromaSystemConfig, live: Live, rows: Rows, scratch: Path) -> None:
        super().__init__(live, rows)
        self._scratch = scratch
        self._efs = config.sweep.get("ef_search", [])
        self._over_http = config.over_http
        self._copied = isinstance(live.index, ChromaConfig)
        if not isinstance(live.index, ChromaConfig | ChromaHttpConfig):
            raise ConfigError(
                f"{live.name} is not Chroma's (index={live.index.kind}); measure an index on disk "
                "with systems=disk"
            )
        if not self._copied and not self._over_http:
            raise ConfigError(
                f"{live.name} is on a server; a system of kind chroma needs it in a folder, one of "
                "kind chroma_http searches on the server"
            )
        with live.open() as collection:
            self.check(collection)
            self._hnsw = collection.settings
            self._built = collection.build_stats
        links, built = self._hnsw["max_neighbors"], self._hnsw["ef_construction"]
        self.factory = f"HNSW max_neighbors={links} ef_construction={built}"

    @classmethod
    def of(cls, task: MeasureTask, rows: Rows) -> Self:
        """Return the system of a task, over the ``rows`` of its store.

        Raises:
            ConfigError: it is on a server, and ``task.system`` wants it in a folder.
            CollectionError: it is not there, or is of another store.
        """
        assert isinstance(task.system, ChromaSystemConfig)
        return cls(task.system, Live(task.index, task.collection), rows, task.scratch)

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        shutil.rmtree(self._folder, ignore_errors=True)

    def build(self) -> Build | None:
        """Copy the collection, so that the live one stays as it is.

        Returns:
            None where it lies on a server, which does not say how large it is.

        Raises:
            ConfigError: there is too little memory to load it.
            OSError: it cannot be copied.
        """
        if not self._copied:
            return None
        need = memory_bytes(len(self.rows), self.rows.dim, self._hnsw["max_neighbors"])
        memory.check(memory.PROCESS_BYTES + need, f"{self.live.name} in Chroma")
        assert isinstance(self.live.index, ChromaConfig)
        source = paths.IndexPaths(self.live.index.path).collection(self.live.name)
        shutil.rmtree(self._folder, ignore_errors=True)
        target = paths.IndexPaths(str(self._folder)).collection(self.live.name)
        files = [file for file in source.rglob("*") if file.is_file()]
        for file in files:  # copytree goes on after an error, and keeps the words of it alone
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
        size = sum(file.stat().st_size for file in files)
        known = self._built
        if known is None or known.rows != len(self.rows):
            return Build(len(self.rows), None, None, size)
        return Build(known.rows, known.seconds, known.peak_bytes, size)

    def search_params(self) -> list[Parameters]:
        """Return the values of ef_search to measure."""
        efs = self._efs if self._copied and self._efs else [self._hnsw["ef_search"]]
        return [{"ef_search": ef} for ef in efs]

    def set_search_params(self, parameters: Parameters) -> None:
        """Reopen the collection with another ef_search, which a loaded graph ignores."""
        self.stack.close()
        self._ef = int(parameters["ef_search"])
        index = self.live.index
        if self._copied:
            index = ChromaConfig(path=str(self._folder))
            with open_index(index, self.live.name, bare=True) as collection:
                collection.set_search_settings({"ef_search": self._ef})
            if self._over_http:
                folder = paths.IndexPaths(index.path).collection(self.live.name)
                log = paths.ScratchPaths(self._scratch).server_log
                index = self.stack.enter_context(chroma_server(folder, log))
        self.opened = self.stack.enter_context(open_index(index, self.live.name, bare=True))

    def candidates_examined(self, k: int) -> int:
        """Return the candidates examined for ``k``."""
        return max(k, self._ef)

    @property
    def _folder(self) -> Path:
        return paths.ScratchPaths(self._scratch).chroma_root
