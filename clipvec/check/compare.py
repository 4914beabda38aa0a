"""An index against the rows of its store, as a stream."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import shards
from clipvec.errors import ClipvecError, one_line
from clipvec.index import PART, ROW, Hit, is_missing
from clipvec.progress import counted
from clipvec.store import Store, matrix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from clipvec.index import VectorIndex
    from clipvec.store import LivePart

log = logging.getLogger(__name__)
_QUERIES = 10
"""Rows of each part that are searched for by their own vectors."""
_MISSES = 0.25
"""Share of them that HNSW may fail to find, as when an index is verified."""
REBUILD = "rebuild it with clipvec index --rebuild"
_COLUMNS = ("id", "uri", "caption", "width", "height")


class IndexComparison:
    """Compares the rows of an index with those of the store, part by part."""

    def __init__(self, index: VectorIndex, store: Store, unread: Sequence[int]) -> None:
        """Take the two, and the shards of the store that cannot be compared."""
        self._index, self._store, self._unread = index, store, unread
        self._tombstones = store.tombstones
        self._columns = [*_COLUMNS, *store.fingerprint.attributes]
        self._wrong: dict[str, list[str]] = defaultdict(list)
        """Ids of the part at hand by what is wrong with them."""
        self._last = ""
        """The part of which rows were searched for."""
        self._rows = self._deleted = self._found = self._asked = self._missed = 0

    def add(self, part: LivePart, positions: np.ndarray, piece: pa.RecordBatch) -> None:
        """Compare rows of a part, which are at these positions of its file.

        Raises:
            CollectionError: the index does not answer.
        """
        ids, vectors = piece["id"].to_pylist(), matrix(piece)
        there, hits = self._index.vectors(ids), self._index.get(ids)
        for number, row in enumerate(piece.select(self._columns).to_pylist()):
            id = row["id"]
            hit = hits.get(id)
            # under the id of a row that was replaced, which `clipvec index` has not taken out yet
            old = hit is not None and self._tombstones.covers(hit.part, id)
            if hit is None or old or id not in there:
                self._wrong["are missing"].append(id)
                continue
            self._found += 1
            if not np.allclose(there[id], vectors[number], rtol=1e-4, atol=1e-6):
                self._wrong["have another vector"].append(id)
            if _plain(hits[id]) != _plain(_hit(row, part, int(positions[number]))):
                self._wrong["have another caption, attribute or place"].append(id)
        self._rows += len(ids)
        if part.file != self._last and not self._wrong:
            self._last = part.file
            found = self._index.nearest(vectors[:_QUERIES], 1)
            self._asked += len(found)
            self._missed += sum(not scores or scores[0] < 1 - 1e-5 for _, scores in found)

    def skip(self, part: LivePart) -> None:
        """Leave out the rows of a damaged part, which tells nothing of those of the index."""
        self._found += part.rows

    def end_part(self, part: LivePart) -> list[str]:
        """Return what is wrong with the rows of a part, a line each."""
        held = self._index.get(part.deleted).values()
        self._deleted += sum(hit.part == part.file for hit in held)
        faults = [
            f"{len(ids)} of {part.rows} rows of {part.file} {what} in {self._index.location} "
            f"({', '.join(ids[:3])}); {_mend(what)}"
            for what, ids in self._wrong.items()
        ]
        self._wrong.clear()
        return faults

    def end(self) -> list[str]:
        """Return what is wrong with the index as a whole, a line each."""
        faults = []
        place, held = self._index.info.store, counted(self._deleted, "deleted row")
        if place != self._store.url and (why := self._why_unfit(place)):
            faults.append(
                f"{self._index.location} learns what is deleted from {place}, {why}, and may show "
                f"{held}; clipvec index tells it of {self._store.url}"
            )
        elif self._deleted:
            log.info(
                "%s still holds %s, which no answer shows; clipvec index takes them out",
                *(self._index.location, held),
            )
        more = self._index.count() - self._found - self._deleted
        if more > 0 and self._unread:
            faults.append(
                f"{more} rows of {self._index.location} are of shards that are not finished "
                f"({shards.format(self._unread)}), or not in the store; run the clipvec embed that "
                "made these again, then clipvec index"
            )
        elif more > 0:
            faults.append(f"{more} rows of {self._index.location} are not in the store; {REBUILD}")
        if self._missed > _MISSES * self._asked:
            faults.append(
                f"{self._missed} of {self._asked} rows of {self._index.location} are not found by "
                f"their own vectors; {REBUILD}"
            )
        return faults

    def _why_unfit(self, place: str) -> str:
        """Return why another store does not tell what is deleted in this one; empty if it does."""
        try:
            other = Store.find(place)
            if other is None:
                return "where no store is"
            same = other.tombstones.active.keys() == self._tombstones.active.keys()
            return "" if same else "where other rows are deleted"
        except ClipvecError as error:
            return f"which cannot be read ({one_line(error)})"


def _mend(what: str) -> str:
    if what == "are missing":  # as after a deletion was taken back
        return f"load them with clipvec index; if it is no help, {REBUILD}"
    return REBUILD


def _hit(row: Mapping[str, Any], part: LivePart, number: int) -> Hit:
    """Return a row of the store as the index should give it."""
    given = {key: value for key, value in row.items() if value is not None}
    return Hit.of({**given, PART: part.file, ROW: number}, 1.0)


def _plain(hit: Hit) -> dict[str, Any]:
    """Return what can be compared of a row; a number that is none equals one that is missing."""
    numbers = (item for item in hit.attributes.items() if not is_missing(item[1]))
    return {**{name: getattr(hit, name) for name in hit.__slots__}, "attributes": dict(numbers)}
