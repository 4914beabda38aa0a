"""Rows drawn at random, the same ones from every store of a dataset."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from clipvec.store import keyed_hash
from clipvec.vectors import unit

if TYPE_CHECKING:
    from clipvec.store import Rows

T = TypeVar("T")


class Draw(Generic[T]):
    """Keeps those of smallest keyed hash: which ones depends on their ids and the seed alone."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed = count, seed
        self._kept: list[tuple[int, str, int, T]] = []
        """Order, id, a number that no other has (items may have no order), and item."""
        self._seen = itertools.count()

    def add(self, id: str, item: T) -> None:
        """Take an item if the hash of its id is among the smallest so far."""
        entry = (-keyed_hash(id, self._seed), id, next(self._seen), item)
        if len(self._kept) < self._count:
            heapq.heappush(self._kept, entry)
        elif entry[0] > self._kept[0][0]:
            heapq.heapreplace(self._kept, entry)

    def items(self) -> list[T]:
        """Return the items that were drawn, in an order that depends on their ids alone."""
        return [entry[3] for entry in sorted(self._kept, key=lambda entry: (-entry[0], entry[1]))]


def drawn_vectors(rows: Rows, numbers: np.ndarray) -> np.ndarray:
    """Return the vectors of rows, int64 [Q] in any order, as float32 [Q, D], unit length."""
    order = np.argsort(numbers)
    vectors = np.empty((len(numbers), rows.dim), np.float32)
    vectors[order] = unit(rows.vectors(numbers[order]))
    return vectors
