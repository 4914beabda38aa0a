"""What a contestant has to be able to do so that it can be measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    import numpy as np

    from clipvec.recall.results import Build, Parameters
    from clipvec.recall.workload import Filter


class Contender(Protocol):
    """An index in this process, or behind a connection; closed by leaving its context."""

    factory: str
    """What it is, in FAISS's or Chroma's words."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def build(self) -> Build | None:
        """Make the index ready, and return what it took.

        Raises:
            ClipvecError: it cannot be built here.
        """
        ...

    def settings(self) -> list[Parameters]:
        """Return the search parameters to measure."""
        ...

    def take(self, parameters: Parameters) -> None:
        """Search with ``parameters`` from now on."""
        ...

    def depth(self, k: int) -> int:
        """Return a number that is the same for two k where the rows found for one begin those
        found for the other, as they do where the index examines as many candidates for both.
        """
        ...

    def found(self, vectors: np.ndarray, k: int) -> np.ndarray:
        """Return the row numbers found, int64 [N, k], -1 for none; not made to be timed."""
        ...

    def ask(self, vectors: np.ndarray, k: int) -> Any:
        """Search as in production, for float32 [N, D], and return the answer as it comes."""
        ...

    def under(self, filter_: Filter) -> Callable[[np.ndarray, int], Any]:
        """Return `ask` under a filter.

        Raises:
            ConfigError: the index cannot search under filters.
        """
        ...

    def rows(self, answer: Any, k: int) -> np.ndarray:
        """Return the row numbers, int64 [N, k], -1 for none, of an answer of `ask`."""
        ...

    def enter_client(self) -> None:
        """Make the calling thread one of many concurrent clients."""
        ...
