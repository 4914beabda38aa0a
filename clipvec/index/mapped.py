"""An index with the table of its rows beside it, which answers what it can answer better."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from clipvec.index import facets, filters
from clipvec.index.base import PART, VectorIndex
from clipvec.index.rows import FEW, RowsTable
from clipvec.index.wrapped import WrappedIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.index.base import Hit
    from clipvec.index.facets import Facets
    from clipvec.index.filters import Filter
    from clipvec.store import Tombstones

_NONE = np.empty(0, np.int64)
log = logging.getLogger(__name__)


class TableIndex(VectorIndex):
    """An index whose rows are those of a table, which knows all but the search."""

    _table: RowsTable
    _gone: tuple[Tombstones | None, np.ndarray] = (None, _NONE)

    def count(self) -> int:
        """Return the number of rows."""
        return len(self._table)

    def facets(
        self, keys: Sequence[str], where: Filter | None = None, known: Tombstones | None = None
    ) -> Facets | None:
        """Return how many rows a filter admits, and how often values occur among them."""
        table = self._table
        columns, gone = table.columns(keys), self._deleted(known)
        if where is None and not len(gone):
            return facets.count(columns, len(table))
        rows = np.arange(len(table)) if where is None else table.admitted(where)
        left = rows[~np.isin(rows, gone, assume_unique=True)]
        return facets.count(columns, len(left), left)

    def _deleted(self, known: Tombstones | None) -> np.ndarray:
        """Return the deleted rows, int64 [M]; they are looked for when others are deleted."""
        if known is None or not len(self._table):
            return _NONE
        if known is not self._gone[0]:
            columns, older = self._table.columns(["id", PART]), self.info.removed < known.removed
            self._gone = known, facets.deleted(columns, known, older)
        return self._gone[1]

    def exactly(self, vectors: np.ndarray, k: int, among: np.ndarray | None) -> list[list[Hit]]:
        """Return the rows closest to each vector by comparing all, or those ``among``, best first.

        Args:
            vectors: float32 [N, D].
            k: at least 1.
            among: the rows to choose from, int64 [M]; None: all.
        """
        return [self._table.hits(*found) for found in self._table.nearest(vectors, k, among)]

    def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """Return the rows with these ids, as far as they exist, with a score of 1."""
        rows = np.array([*self._table.find_ids(ids).values()], np.int64)
        return {hit.id: hit for hit in self._table.hits(rows, np.ones(len(rows)))}

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the vectors of these ids, as far as they exist, float32 [D] each."""
        found = self._table.find_ids(ids)
        rows = np.array([*found.values()], np.int64)
        return dict(zip(found, self._table.vectors(rows), strict=True))

    def sample(self, count: int) -> np.ndarray:
        """Return about ``count`` vectors from all over the index, float32 [N, D]."""
        size = min(count, len(self._table))
        return self._table.vectors(np.linspace(0, len(self._table) - 1, size).astype(np.int64))


class MappedIndex(TableIndex, WrappedIndex):
    """Searches few rows exactly, all of a small index or those that a filter admits.

    Only where there are more is the index asked, for ids alone, unless the filter looks into texts:
    the table alone can. All else, the scores too, is the table's, so that every answer is of the
    rows that were there when it was opened, whatever is loaded into the index meanwhile.
    """

    def __init__(self, index: VectorIndex, table: RowsTable, together: int = 1) -> None:
        """Put an index and its table together.

        Args:
            index: an open one.
            table: of the rows that it holds.
            together: indexes that each query searches, which may compare few vectors in all.
        """
        super().__init__(index)
        self._table, self._together = table, together

    def nearest(
        self, vectors: np.ndarray, k: int, where: Filter | None = None
    ) -> list[tuple[list[str], list[float]]]:
        """Return the ids and cosines that the index itself finds for each vector, best first."""
        return self.held.nearest(vectors, k, where)

    def search(self, vectors: np.ndarray, k: int, where: Filter | None) -> list[list[Hit]]:
        """Return the rows closest to each vector, best first."""
        among = None if where is None else self._table.admitted(where)
        count = len(self._table) if among is None else len(among)
        beyond = where is not None and filters.is_of_texts(where)
        if beyond or count * self.dim * self._together <= FEW:
            return self.exactly(vectors, k, among)
        # Of the ids alone, as the index may be changing: the table stays as it was opened.
        found = [self._table.find_ids(ids) for ids, _ in self.nearest(vectors, k, where)]
        hits = [
            self.exactly(vectors[i : i + 1], k, np.array(sorted(rows.values()), np.int64))[0]
            for i, rows in enumerate(found)
        ]
        short = [i for i, rows in enumerate(found) if len(rows) < min(k, count)]
        if short:
            # HNSW does not reach every row of a graph that is clustered, or has few links.
            log.info("%s: found fewer than %d rows; searching exactly", self.name, min(k, count))
            for i, exact in zip(short, self.exactly(vectors[short], k, among), strict=True):
                hits[i] = exact
        return hits
