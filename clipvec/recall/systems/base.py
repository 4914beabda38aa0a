"""What a system under test has to offer so that it can be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from clipvec.recall.results import Build, Parameters
    from clipvec.recall.task import MeasureTask
    from clipvec.recall.workload import Filter
    from clipvec.store import Rows


class SearchSystem(Protocol):
    """An index in this process or behind a connection; leaving its context closes it."""

    factory: str
    """What it is, in FAISS's or Chroma's words."""

    @classmethod
    def of(cls, task: MeasureTask, rows: Rows) -> Self:
        """Return the system of a task, over the ``rows`` of its store.

        Raises:
            ClipvecError: it cannot be measured here.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def build(self) -> Build | None:
        """Build the index, and return what that took.

        Raises:
            ClipvecError: it cannot be built here.
            OSError: its folder in ``work_dir`` cannot be written.
        """
        ...

    def search_params(self) -> list[Parameters]:
        """Return the search parameters to measure, one setting each."""
        ...

    def set_search_params(self, parameters: Parameters) -> None:
        """Search with ``parameters`` from now on."""
        ...

    def candidates_examined(self, k: int) -> int:
        """Return a number that is equal for two k if the answer to one is the head of the other's.

        So it is where the index examines as many candidates for both.
        """
        ...

    def search_ids(self, vectors: np.ndarray, k: int) -> np.ndarray:
        """Return the row numbers found, int64 [N, k], -1 for none; not meant to be timed."""
        ...

    def query(self, vectors: np.ndarray, k: int) -> Any:
        """Search as in production, for float32 [N, D], and return the answer as it comes."""
        ...

    def with_filter(self, filter_: Filter) -> Callable[[np.ndarray, int], Any]:
        """Return `query` under a filter.

        Raises:
            ConfigError: the index cannot search under filters.
        """
        ...

    def to_row_numbers(self, answer: Any, k: int) -> np.ndarray:
        """Return the row numbers, int64 [N, k], -1 for none, of an answer of `query`."""
        ...

    def start_client_thread(self) -> None:
        """Make the calling thread one of many concurrent clients."""
        ...
