"""The live index, searched as the service searches it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.errors import CollectionError
from clipvec.index import open_index, partitions_of
from clipvec.recall.systems.base import SearchSystem
from clipvec.store import Numbers

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from clipvec.config import IndexConfig
    from clipvec.index import Hit, VectorIndex
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
                "settings": dict(collection.settings),
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
                "clipvec index and clipvec recall, both with another index.path"
            )
        return open_index(self.index, self.name, bare=True)


class LiveSystem(SearchSystem):
    """The index in use, or a copy of it: what all backends have in common."""

    def __init__(self, live: Live, rows: Rows) -> None:
        self.live, self.rows = live, rows
        self.stack = contextlib.ExitStack()
        self.opened: VectorIndex | None = None
        """What is searched; it closes with the stack."""
        self._numbers = Numbers(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.close()

    def check(self, collection: VectorIndex) -> None:
        """Refuse an index of another store.

        Raises:
            FingerprintError: it was made by another model, or of other data.
            CollectionError: it lacks rows of the store, or has others.
        """
        mine, theirs = collection.fingerprint, self.rows.store.fingerprint
        here, there = f"the collection {collection.location}", f"the store {self.rows.store.url}"
        mine.check_data(theirs.to_json(), here)
        mine.model.check(theirs.model, here, there)
        if collection.count() != len(self.rows):
            raise CollectionError(
                f"{here} has {collection.count():,} rows, {there} {len(self.rows):,}; bring it up "
                "to date with clipvec index"
            )

    def search_ids(self, vectors: np.ndarray, k: int) -> np.ndarray:
        """Return what the graph finds, int64 [N, k], -1 for none.

        Without metadata, which takes several times as long to read. `query` finds the same rows,
        unless the graph yields fewer than ``k``: then it falls back on exact search.
        """
        ids = [
            ids
            for start in range(0, len(vectors), _BATCH)
            for ids, _ in self._index.nearest(vectors[start : start + _BATCH], k)
        ]
        return self._number(ids, k)

    def query(self, vectors: np.ndarray, k: int) -> list[list[Hit]]:
        """Return the hits, as the service gets them."""
        return self._index.query_many(vectors, k)

    def with_filter(self, filter_: Filter) -> Callable[[np.ndarray, int], list[list[Hit]]]:
        """Return `query` under a filter."""
        return lambda vectors, k: self._index.query_many(vectors, k, filter_.condition)

    def to_row_numbers(self, answer: list[list[Hit]], k: int) -> np.ndarray:
        """Return the row numbers, int64 [N, k], -1 for none, of an answer of `query`."""
        return self._number([[hit.id for hit in hits] for hits in answer], k)

    def start_client_thread(self) -> None:
        """Do nothing: clients share a collection, as the requests to a service do."""

    @property
    def _index(self) -> VectorIndex:
        assert self.opened is not None, "set_search_params comes first"
        return self.opened

    def _number(self, ids: list[list[str]], k: int) -> np.ndarray:
        rows = np.full((len(ids), k), -1, np.int64)
        for row, some in zip(rows, ids, strict=True):
            row[: len(some)] = self._numbers.find(some)[:k]
        return rows
