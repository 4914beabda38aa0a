"""The FAISS index on disk, searched as the service searches it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec.config import DiskSystemConfig, FaissConfig
from clipvec.errors import ConfigError
from clipvec.index import open_index
from clipvec.recall.results import Build
from clipvec.recall.systems.live import Live, LiveSystem

if TYPE_CHECKING:
    from typing import Self

    from clipvec.recall.results import Parameters
    from clipvec.recall.task import MeasureTask
    from clipvec.store import Rows


class DiskSystem(LiveSystem):
    """The live index itself: it is only read, and takes search parameters where it is opened."""

    def __init__(self, config: DiskSystemConfig, live: Live, rows: Rows, threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        super().__init__(live, rows)
        if not isinstance(live.index, FaissConfig):
            raise ConfigError(
                f"{live.name} is not on disk (index={live.index.kind}); a system of kind disk "
                "wants index=faiss"
            )
        self._config, self._sweep = live.index, config.sweep
        with live.open() as index:
            self.check(index)
            self._settings, self._stats = dict(index.settings), index.build_stats
            folders = [Path(folder) for folder in index.rows_folders]
        self._bytes = sum(file.stat().st_size for folder in folders for file in folder.iterdir())
        self.factory = str(self._settings["factory"])

    @classmethod
    def of(cls, task: MeasureTask, rows: Rows) -> Self:
        """Return the system of a task, over the ``rows`` of its store.

        Raises:
            ConfigError: the live index is another backend's.
            CollectionError: it is not there, or is of another store.
        """
        assert isinstance(task.system, DiskSystemConfig)
        return cls(task.system, Live(task.index, task.collection), rows, task.threads)

    def build(self) -> Build:
        """Return what ``clipvec index`` recorded of the build."""
        known = self._stats
        if known is None or known.rows != len(self.rows):
            return Build(len(self.rows), None, None, self._bytes)
        return Build(known.rows, known.seconds, known.peak_bytes, self._bytes)

    def search_params(self) -> list[Parameters]:
        """Return every combination of the sweep; one without parameters for an exact index."""
        own = {name: [value] for name, value in self._settings.items() if name != "factory"}
        swept = own | ({**self._sweep} if own else {})
        return [
            dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())
        ]

    def set_search_params(self, parameters: Parameters) -> None:
        """Reopen the index, which takes milliseconds, with search parameters."""
        self.stack.close()
        self._candidates = int(parameters.get("candidates", 0))
        chosen: dict[str, Any] = {name: int(value) for name, value in parameters.items()}
        index = replace(self._config, **chosen)
        self.opened = self.stack.enter_context(open_index(index, self.live.name, bare=True))

    def candidates_examined(self, k: int) -> int:
        """Return the candidates that are ranked for ``k``."""
        return max(k, self._candidates)

    def start_client_thread(self) -> None:
        """Give the calling thread one thread of FAISS: clients share the cores by being many."""
        import faiss

        faiss.omp_set_num_threads(1)
