"""The Chroma collection, searched as the service searches it."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import paths
from clipvec.config import ChromaConfig, ChromaSystemConfig
from clipvec.errors import CollectionError, ConfigError
from clipvec.index import chroma_server, memory_bytes, open_index, partitions_of
from clipvec.recall.results import Build
from clipvec.recall.systems import memory
from clipvec.store import Numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from clipvec.config import IndexConfig
    from clipvec.index import Hit, VectorIndex
    from clipvec.recall.results import Parameters
    from clipvec.recall.task import MeasureTask
    from clipvec.recall.workload import Filter
    from clipvec.store import Rows

_BATCH = 100
"""Queries of one request where no time is taken."""


@dataclass(frozen=True)
class Live:
    """The collection in use."""

    index: IndexConfig
    name: str

    def identity(self) -> dict[str, Any]:
        """Return what makes its results its own: another one after each rebuild."""
        with self.open() as collection:
            return {
                "hnsw": dict(collection.settings),
                "id": collection.build_id,
                "rows": collection.count(),
            }

    def open(self) -> VectorIndex:
        """Return the collection.

        Raises:
            CollectionError: it is not there, in partitions, or made by something else.
        """
        if partitions := partitions_of(self.index, self.name):
            raise CollectionError(
                f"{self.name} is in {len(partitions)} partitions ({', '.join(partitions[:2])}"
                f"{', ...' if len(partitions) > 2 else ''}), which are not measured together; load "
                "all shards into one collection in another place and measure that: "
                "python -m clipvec.index and clipvec.recall, both with another index.path"
            )
        return open_index(self.index, self.name, bare=True)


class ChromaSystem:
    """A copy of the live collection, in this process or on a server of its own.

    A collection on a server cannot be copied: it is searched there, as it is set.
    """

    def __init__(self, config: ChromaSystemConfig, live: Live, rows: Rows, scratch: Path) -> None:
        self._live, self._rows, self._scratch = live, rows, scratch
        self._efs = config.sweep.get("ef_search", [])
        self._over_http = config.over_http
        self._copied = isinstance(live.index, ChromaConfig)
        self._stack = contextlib.ExitStack()
        self._open: VectorIndex | None = None
        if not self._copied and not self._over_http:
            raise ConfigError(
                f"{live.name} is on a server; a system of kind chroma needs it in a folder, one of "
                "kind chroma_http searches on the server"
            )
        with live.open() as collection:
            self._check(collection)
            self._hnsw = collection.settings
            self._built = collection.build_stats
        self._numbers = Numbers.read(rows)
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def build(self) -> Build | None:
        """Copy the collection, so that the live one stays as it is.

        Returns:
            None where it lies on a server, which does not say how large it is.

        Raises:
            ConfigError: there is too little memory to load it.
            CollectionError: it cannot be copied.
        """
        if not self._copied:
            return None
        need = memory_bytes(len(self._rows), self._rows.dim, self._hnsw["max_neighbors"])
        memory.check(memory.PROCESS_BYTES + need, f"{self._live.name} in Chroma")
        assert isinstance(self._live.index, ChromaConfig)
        source = paths.IndexPaths(self._live.index.path).collection(self._live.name)
        shutil.rmtree(self._folder, ignore_errors=True)
        try:
            shutil.copytree(source, paths.IndexPaths(str(self._folder)).collection(self._live.name))
        except OSError as error:  # a list of all files, of which the first has the reason
            why = error.args[0][0][2] if isinstance(error, shutil.Error) else error
            raise CollectionError(f"{source} cannot be copied: {why}") from error
        size = sum(file.stat().st_size for file in source.rglob("*") if file.is_file())
        known = self._built
        if known is None or known.rows != len(self._rows):
            return Build(len(self._rows), None, None, size)
        return Build(known.rows, known.seconds, known.peak_bytes, size)

    def search_params(self) -> list[Parameters]:
        """Return the values of ef_search to measure."""
        efs = self._efs if self._copied and self._efs else [self._hnsw["ef_search"]]
        return [{"ef_search": ef} for ef in efs]

    def set_search_params(self, parameters: Parameters) -> None:
        """Reopen the collection with another ef_search, which a loaded graph ignores."""
        self._stack.close()
        self._ef = int(parameters["ef_search"])
        index = self._live.index
        if self._copied:
            index = ChromaConfig(path=str(self._folder))
            with open_index(index, self._live.name, bare=True) as collection:
                collection.set_search_settings({"ef_search": self._ef})
            if self._over_http:
                folder = paths.IndexPaths(index.path).collection(self._live.name)
                log = paths.ScratchPaths(self._scratch).server_log
                index = self._stack.enter_context(chroma_server(folder, log))
        self._open = self._stack.enter_context(open_index(index, self._live.name, bare=True))

    def candidates_examined(self, k: int) -> int:
        """Return the candidates examined for ``k``."""
        return max(k, self._ef)

    def search_ids(self, vectors: np.ndarray, k: int) -> np.ndarray:
        """Return what the graph finds, int64 [N, k], -1 for none.

        Without metadata, which takes several times as long to read. `query` finds the same rows,
        unless the graph yields fewer than ``k``: then it falls back on exact search.
        """
        ids = [
            ids
            for start in range(0, len(vectors), _BATCH)
            for ids, _ in self._collection.nearest(vectors[start : start + _BATCH], k)
        ]
        return self._number(ids, k)

    def query(self, vectors: np.ndarray, k: int) -> list[list[Hit]]:
        """Return the hits, as the service gets them."""
        return self._collection.query_many(vectors, k)

    def with_filter(self, filter_: Filter) -> Callable[[np.ndarray, int], list[list[Hit]]]:
        """Return `query` under a filter."""
        return lambda vectors, k: self._collection.query_many(vectors, k, filter_.condition)

    def to_row_numbers(self, answer: list[list[Hit]], k: int) -> np.ndarray:
        """Return the row numbers, int64 [N, k], -1 for none, of an answer of `query`."""
        return self._number([[hit.id for hit in hits] for hits in answer], k)

    def start_client_thread(self) -> None:
        """Do nothing: clients share a collection, as the requests to a service do."""

    @property
    def _folder(self) -> Path:
        return paths.ScratchPaths(self._scratch).chroma_root

    @property
    def _collection(self) -> VectorIndex:
        assert self._open is not None, "set_search_params comes first"
        return self._open

    def _number(self, ids: list[list[str]], k: int) -> np.ndarray:
        rows = np.full((len(ids), k), -1, np.int64)
        for row, some in zip(rows, ids, strict=True):
            row[: len(some)] = self._numbers.find(some)[:k]
        return rows

    def _check(self, collection: VectorIndex) -> None:
        """Refuse a collection of another store."""
        mine, theirs = collection.fingerprint, self._rows.store.fingerprint
        here, there = f"the collection {collection.location}", f"the store {self._rows.store.url}"
        mine.check_data(theirs.to_json(), here)
        mine.model.check(theirs.model, here, there)
        if collection.count() != len(self._rows):
            raise CollectionError(
                f"{here} has {collection.count():,} rows, {there} {len(self._rows):,}; bring it up "
                "to date with python -m clipvec.index"
            )
