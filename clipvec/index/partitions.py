"""The partitions of one index, searched side by side."""

from __future__ import annotations

import heapq
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from clipvec.index import facets
from clipvec.index.base import VectorIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clipvec.index.base import Hit
    from clipvec.index.facets import Facets
    from clipvec.index.filters import Filter
    from clipvec.store import Tombstones

Answer = TypeVar("Answer")


class Partitions(VectorIndex):
    """Several indexes of one store, opened as one.

    The best k of all rows are among the best k of each partition, so that the answer is that of
    one index of all rows, as far as each partition's own search is exact.
    """

    def __init__(self, name: str, indexes: Sequence[VectorIndex]) -> None:
        self._indexes = indexes
        first = indexes[0]
        self.name, self.info, self.capabilities = name, first.info, first.capabilities
        self.location = f"{first.location} and {len(indexes) - 1} more"
        self._threads = ThreadPoolExecutor(len(indexes), "partition")

    def close(self) -> None:
        """Close all partitions."""
        self._threads.shutdown()
        for index in self._indexes:
            index.close()

    @property
    def rows_folders(self) -> list[Path]:
        """Where the tables of its rows are: one for each partition."""
        return [folder for index in self._indexes for folder in index.rows_folders]

    def check_files(self) -> None:
        """Compare every byte of the files of all partitions."""
        for index in self._indexes:
            index.check_files()

    def count(self) -> int:
        """Return the number of rows."""
        return sum(self._each(lambda index: index.count()))

    def nearest(
        self, vectors: np.ndarray, k: int, where: Filter | None = None
    ) -> list[tuple[list[str], list[float]]]:
        """Return the ids and cosines that the partitions find for each vector, best first."""
        found = self._each(lambda index: index.nearest(vectors, k, where))
        merged = []
        for answers in zip(*found, strict=True):
            pairs = (zip((-s for s in scores), ids, strict=True) for ids, scores in answers)
            best = list({id: -score for score, id in heapq.merge(*pairs)}.items())[:k]
            merged.append(([id for id, _ in best], [score for _, score in best]))
        return merged

    def search(self, vectors: np.ndarray, k: int, where: Filter | None) -> list[list[Hit]]:
        """Return the rows that the partitions find; a row of two partitions comes once."""
        found = self._each(lambda index: index.search(vectors, k, where))
        return [
            list({hit.id: hit for hits in answers for hit in hits}.values())
            for answers in zip(*found, strict=True)
        ]

    def facets(
        self, keys: Sequence[str], where: Filter | None = None, known: Tombstones | None = None
    ) -> Facets | None:
        """Return how many rows of all partitions a filter admits, and how often values occur."""
        found = self._each(lambda index: index.facets(keys, where, known))
        told = [each for each in found if each is not None]
        return facets.merge(told) if len(told) == len(found) else None

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the vectors of these ids, as far as they exist, float32 [D] each."""
        return _union(self._each(lambda index: index.vectors(ids)))

    def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """Return the rows with these ids, as far as they exist, with a score of 1."""
        return _union(self._each(lambda index: index.get(ids)))

    def sample(self, count: int) -> np.ndarray:
        """Return about ``count`` vectors from all partitions, float32 [N, D]."""
        share = -(-count // len(self._indexes))
        return np.concatenate(self._each(lambda index: index.sample(share)))

    def _each(self, ask: Callable[[VectorIndex], Answer]) -> list[Answer]:
        return list(self._threads.map(ask, self._indexes))


def _union(answers: Sequence[dict[str, Answer]]) -> dict[str, Answer]:
    return {key: value for answer in answers for key, value in answer.items()}
