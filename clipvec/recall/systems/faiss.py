"""A FAISS index: built from the stream of a store, searched by row numbers."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import paths
from clipvec.config import FaissSystemConfig
from clipvec.index import faiss_errors
from clipvec.machine import peak_bytes
from clipvec.recall.results import Build
from clipvec.recall.systems import memory
from clipvec.recall.systems.factory import (
    empty_index,
    fill,
    set_parameter,
    train_rows,
    with_quantizer_ef,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

    from clipvec.recall.results import Parameters
    from clipvec.recall.task import MeasureTask
    from clipvec.recall.workload import Filter
    from clipvec.store import Rows


class FaissSystem:
    """A FAISS index of inner products."""

    def __init__(
        self, config: FaissSystemConfig, rows: Rows, scratch: Path, threads: int, seed: int
    ) -> None:
        import faiss

        # Later threads take the number from OMP_NUM_THREADS, which the parent process sets.
        faiss.omp_set_num_threads(threads)
        self._config, self._rows = config, rows
        self._scratch, self._seed = scratch, seed
        self.factory = fill(config.factory, len(rows), rows.dim)
        self._index = empty_index(config, len(rows), rows.dim)

    @classmethod
    def of(cls, task: MeasureTask, rows: Rows) -> Self:
        """Return the system of a task, over the ``rows`` of its store.

        Raises:
            ConfigError: FAISS refuses its factory string.
        """
        assert isinstance(task.system, FaissSystemConfig)
        return cls(task.system, rows, task.scratch, task.threads, task.options.seed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        paths.ScratchPaths(self._scratch).faiss_index.unlink(missing_ok=True)

    def build(self) -> Build:
        """Train, add all rows, and write the index once to see its size.

        Raises:
            ConfigError: FAISS refuses, or there is too little memory.
            OSError: it cannot be written.
        """
        import faiss

        sampled = min(train_rows(self._config, self._index), len(self._rows))
        need = memory.estimate_bytes(self._index, len(self._rows), sampled)
        memory.check(need, f"{self.factory} of {len(self._rows):,} rows x {self._rows.dim}")
        started = time.monotonic()
        with faiss_errors(self.factory):
            if sampled:
                self._index.train(self._rows.sample(sampled, self._seed))
            for _, vectors in self._rows.chunks():
                self._index.add(vectors)
            seconds, peak = time.monotonic() - started, peak_bytes()
            file = paths.ScratchPaths(self._scratch).faiss_index
            with file.open("wb") as stream:  # FAISS's own writer has words alone for a full disk
                faiss.write_index(self._index, faiss.PyCallbackIOWriter(stream.write))
        return Build(len(self._rows), seconds, peak, file.stat().st_size)

    def search_params(self) -> list[Parameters]:
        """Return every combination of the sweep, with what goes with it."""
        sweep = self._config.sweep
        return [
            with_quantizer_ef(self._index, dict(zip(sweep, values, strict=True)))
            for values in itertools.product(*sweep.values())
        ]

    def set_search_params(self, parameters: Parameters) -> None:
        """Set the search parameters."""
        for name, value in parameters.items():
            set_parameter(self._index, name, value)

    def candidates_examined(self, k: int) -> int:
        """Return the candidates examined for ``k``, where they depend on it."""
        import faiss

        index = faiss.downcast_index(self._index)
        if isinstance(index, faiss.IndexPreTransform):
            index = faiss.downcast_index(index.index)
        if isinstance(index, faiss.IndexHNSW):
            return max(k, int(index.hnsw.efSearch))
        alike = isinstance(index, faiss.IndexFlatCodes | faiss.IndexIVF)
        return 0 if alike else k

    def search_ids(self, vectors: np.ndarray, k: int) -> np.ndarray:
        """Return the row numbers found, int64 [N, k], -1 for none."""
        return self.query(vectors, k)

    def query(self, vectors: np.ndarray, k: int) -> np.ndarray:
        """Return the row numbers found, int64 [N, k], -1 for none."""
        rows: np.ndarray = self._index.search(vectors, k)[1]
        return rows

    def with_filter(self, filter_: Filter) -> Callable[[np.ndarray, int], np.ndarray]:
        """Return `query` among the rows of a filter.

        Raises:
            ConfigError: the index cannot search under filters.
        """
        import faiss

        selector = faiss.IDSelectorBitmap(filter_.bits)
        params = _parameters(self._index, selector)

        def query(vectors: np.ndarray, k: int) -> np.ndarray:
            rows: np.ndarray = self._index.search(vectors, k, params=params)[1]
            return rows

        with faiss_errors(f"{self.factory} under a filter"):
            query(np.zeros((1, self._rows.dim), np.float32), 1)
        return query

    def to_row_numbers(self, answer: np.ndarray, k: int) -> np.ndarray:
        """Return the answer, which is row numbers already."""
        return answer[:, :k]

    def start_client_thread(self) -> None:
        """Give the calling thread one thread of FAISS: clients share the cores by being many."""
        import faiss

        faiss.omp_set_num_threads(1)


def _parameters(index: Any, selector: Any) -> Any:
    """Return what search takes for the index as it is set, and a selector of rows."""
    import faiss

    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform):
        return faiss.SearchParametersPreTransform(index_params=_parameters(index.index, selector))
    if isinstance(index, faiss.IndexRefine):
        return faiss.IndexRefineSearchParameters(
            k_factor=index.k_factor, base_index_params=_parameters(index.base_index, selector)
        )
    if isinstance(index, faiss.IndexIVF):
        return faiss.SearchParametersIVF(nprobe=index.nprobe, sel=selector)
    if isinstance(index, faiss.IndexHNSW):
        return faiss.SearchParametersHNSW(efSearch=index.hnsw.efSearch, sel=selector)
    return faiss.SearchParameters(sel=selector)
