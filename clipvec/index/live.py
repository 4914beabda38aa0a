"""An index without the rows that were deleted from its store since it was built."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from clipvec.errors import ClipvecError, SchemaError
from clipvec.index.wrapped import WrappedIndex
from clipvec.store import DamagedTombstones, Folder, TombstoneFolder, Tombstones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np

    from clipvec.index.base import Hit, VectorIndex
    from clipvec.index.facets import Facets
    from clipvec.index.filters import Filter

T = TypeVar("T")
log = logging.getLogger(__name__)
_SECONDS = 1.0
"""Between two looks for new tombstones, and how long queries wait for the answer to one."""


class LiveIndex(WrappedIndex):
    """An open index, whose answers leave out deleted rows from a second after their deletion on.

    `count` and `sample` are of the index as it is: what they tell is no row's own.
    """

    def __init__(self, held: VectorIndex) -> None:
        """Hide deleted rows; a store that does not answer is asked again later.

        Raises:
            SchemaError: another version of clipvec wrote a tombstone.
            DamagedTombstones: a tombstone is not what was written.
        """
        super().__init__(held)
        self._watch = _Watch(held.info.store)

    def nearest(
        self, vectors: np.ndarray, k: int, where: Filter | None = None
    ) -> list[tuple[list[str], list[float]]]:
        """Return the ids and cosines that the index finds for each vector, best first."""

        known = self._watch.tombstones()

        def ask(depth: int) -> list[list[tuple[str, float]]]:
            answers = self.held.nearest(vectors, depth, where)
            return [list(zip(*answer, strict=True)) for answer in answers]

        def live(pairs: list[tuple[str, float]]) -> list[tuple[str, float]]:
            deleted = self._deleted([id for id, _ in pairs], known)
            return [pair for pair in pairs if pair[0] not in deleted]

        found = [pairs[:k] for pairs in _enough(ask, live, k, k + len(known))]
        return [([id for id, _ in pairs], [score for _, score in pairs]) for pairs in found]

    def search(self, vectors: np.ndarray, k: int, where: Filter | None) -> list[list[Hit]]:
        """Return the rows closest to each vector, in any order."""
        known = self._watch.tombstones()
        return _enough(
            lambda depth: self.held.search(vectors, depth, where),
            lambda hits: _live(hits, known),
            k,
            k + len(known),
        )

    def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """Return the rows with these ids, as far as they exist, with a score of 1."""
        live = _live(self.held.get(ids).values(), self._watch.tombstones())
        return {hit.id: hit for hit in live}

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the vectors of these ids, as far as they exist, float32 [D] each."""
        deleted = self._deleted(ids, self._watch.tombstones())
        return self.held.vectors([id for id in ids if id not in deleted])

    def facets(
        self, keys: Sequence[str], where: Filter | None = None, known: Tombstones | None = None
    ) -> Facets | None:
        """Return how many rows that are not deleted a filter admits, and their values."""
        return self.held.facets(keys, where, known or self._watch.tombstones())

    def thumbnails(self, hits: Sequence[Hit], spare: int = 0) -> dict[str, bytes | None]:
        """Return the thumbnails of those of ``hits`` that are not deleted."""
        return self.held.thumbnails(_live(hits, self._watch.tombstones()), spare)

    def _deleted(self, ids: Sequence[str], known: Tombstones) -> set[str]:
        """Return those of ``ids`` that are deleted rows of the index."""
        hits = self.held.get(known.among(ids)).values() if known else ()
        return {hit.id for hit in hits if known.covers(hit.part, hit.id)}

    def tombstones(self) -> Tombstones:
        """Return the deleted rows, as of at most a second ago if the store answers within one."""
        return self._watch.tombstones()

    def lost_deletions(self) -> bool:
        """Return whether there are deletions that cannot be read."""
        return bool(self._watch.lost)

    def answers(self, vector: np.ndarray) -> bool:
        """Return whether the index finds a row, one that is deleted too."""
        return self.held.answers(vector)

    def count(self) -> int:
        """Return the number of rows, those deleted since the index was built too."""
        return self.held.count()

    def sample(self, count: int) -> np.ndarray:
        """Return about ``count`` vectors from all over the index, float32 [N, D]."""
        return self.held.sample(count)

    def close(self) -> None:
        """Close the index."""
        self._watch.close()
        super().close()


def _live(hits: Iterable[Hit], known: Tombstones) -> list[Hit]:
    return [hit for hit in hits if not known.covers(hit.part, hit.id)]


def _enough(
    ask: Callable[[int], list[list[T]]], live: Callable[[list[T]], list[T]], k: int, deepest: int
) -> list[list[T]]:
    """Ask for more rows until each answer has ``k`` that are not deleted, or all there are."""
    depth = k
    while True:
        found = ask(depth)
        kept = [live(answer) for answer in found]
        pairs = zip(found, kept, strict=True)
        short = any(len(rows) < k <= depth <= len(answer) for answer, rows in pairs)
        if not short or depth == deepest:
            return kept
        depth = min(2 * depth, deepest)


class _Watch:
    """The tombstones of a store, looked for again once a second while they are asked for.

    A thread of its own looks: a store may hang, and only one look at a time is sure to be in order.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._entries: TombstoneFolder | None = None
        self._known: Tombstones | None = None
        self.lost = ""
        """Why deletions are not known; empty: they are."""
        self._lock, self._closed = threading.Lock(), False
        self._thread = ThreadPoolExecutor(1, "tombstones")
        self._started, self._answer = time.monotonic(), Future[None]()
        self._answer.set_result(None)
        try:
            self._known = self._folder().read()
        except (DamagedTombstones, SchemaError):
            raise
        except ClipvecError as error:
            self._lose(error)

    def tombstones(self) -> Tombstones:
        """Return what is deleted, as of at most a second ago if the store answers within one."""
        now = time.monotonic()
        with self._lock:
            due = now - self._started >= _SECONDS and self._answer.done()
            if due and not self._closed:
                self._started, self._answer = now, self._thread.submit(self._look)
            answer, end = self._answer, self._started + _SECONDS
        with contextlib.suppress(TimeoutError):
            answer.result(max(0.0, end - now))
        return Tombstones() if self._known is None else self._known

    def close(self) -> None:
        """End the thread; what is known still holds."""
        with self._lock:
            self._closed = True
        self._thread.shutdown(wait=False)

    def _look(self) -> None:
        faults: list[ClipvecError] = []
        try:
            self._known = self._folder().read(faults)
        except ClipvecError as error:
            self._lose(error)
            return
        if faults:  # the others hold, those that come later too
            self._lose(faults[0], "it deletes")
        else:
            self.lost = ""

    def _folder(self) -> TombstoneFolder:
        if self._entries is None:
            self._entries = TombstoneFolder(Folder(self._store))
        return self._entries

    def _lose(self, error: ClipvecError, shown: str = "is deleted from now on") -> None:
        """Say once that deletions are not known; those that are known still hold."""
        if str(error) != self.lost:
            self.lost, mend = str(error), ""
            if self._known is None:
                shown = "was deleted since the last clipvec index"
                mend = "; if the store was moved, clipvec index tells the index where it is now"
            log.warning("%s: what %s may be shown%s", error, shown, mend)
