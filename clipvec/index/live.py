"""An index without the rows that were deleted from its store since it was built."""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar

from clipvec.errors import ClipvecError, SchemaError, StoreError
from clipvec.index.base import VectorIndex
from clipvec.store import DamagedTombstones, Folder, TombstoneFolder, Tombstones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np

    from clipvec.index.base import BuildStats, Hit
    from clipvec.index.filters import Filter

T = TypeVar("T")
log = logging.getLogger(__name__)
_SECONDS = 1.0
"""Between two looks for new tombstones, and how long a query waits for an object store's answer."""


class LiveIndex(VectorIndex):
    """An open index, whose answers leave out deleted rows from a second after their deletion on.

    `count` and `sample` are of the index as it is: what they tell is no row's own.
    """

    def __init__(self, held: VectorIndex) -> None:
        """Hide deleted rows.

        Raises:
            StoreError: the tombstones are damaged, or the store does not answer.
        """
        self.held = held
        """The index as it is, with rows that were deleted since it was built."""
        self.name, self.location = held.name, held.location
        self.info, self.capabilities = held.info, held.capabilities
        self._watch = _Watch(held.info.store)

    def nearest(
        self, vectors: np.ndarray, k: int, where: Filter | None = None
    ) -> list[tuple[list[str], list[float]]]:
        """Return the ids and cosines that the index finds for each vector, best first."""

        def ask(depth: int) -> list[list[tuple[str, float]]]:
            answers = self.held.nearest(vectors, depth, where)
            return [list(zip(*answer, strict=True)) for answer in answers]

        def live(pairs: list[tuple[str, float]]) -> list[tuple[str, float]]:
            deleted = self._deleted([id for id, _ in pairs])
            return [pair for pair in pairs if pair[0] not in deleted]

        found = [pairs[:k] for pairs in self._enough(ask, live, k)]
        return [([id for id, _ in pairs], [score for _, score in pairs]) for pairs in found]

    def search(self, vectors: np.ndarray, k: int, where: Filter | None) -> list[list[Hit]]:
        """Return the rows closest to each vector, in any order."""
        return self._enough(lambda depth: self.held.search(vectors, depth, where), self._live, k)

    def _enough(
        self, ask: Callable[[int], list[list[T]]], live: Callable[[list[T]], list[T]], k: int
    ) -> list[list[T]]:
        """Ask for more rows until each answer has ``k`` that are not deleted, or all there are."""
        depth, deepest = k, k + len(self._watch.tombstones())
        while True:
            found = ask(depth)
            kept = [live(answer) for answer in found]
            pairs = zip(found, kept, strict=True)
            short = any(len(rows) < k <= depth <= len(answer) for answer, rows in pairs)
            if not short or depth == deepest:
                return kept
            depth = min(2 * depth, deepest)

    def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """Return the rows with these ids, as far as they exist, with a score of 1."""
        return {hit.id: hit for hit in self._live(self.held.get(ids).values())}

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the vectors of these ids, as far as they exist, float32 [D] each."""
        deleted = self._deleted(ids)
        return self.held.vectors([id for id in ids if id not in deleted])

    def thumbnails(self, hits: Sequence[Hit]) -> list[bytes | None]:
        """Return the JPEG thumbnails of ``hits`` from the store; None where there is none."""
        live = self._live(hits)
        found = dict(zip([hit.id for hit in live], self.held.thumbnails(live), strict=True))
        return [found.get(hit.id) for hit in hits]

    def thumbnails_near(self, hits: Sequence[Hit]) -> dict[str, bytes | None]:
        """Return the thumbnails of ``hits`` and of rows beside them, which may be deleted ones."""
        return self.held.thumbnails_near(self._live(hits))

    def _live(self, hits: Iterable[Hit]) -> list[Hit]:
        known = self._watch.tombstones()
        return [hit for hit in hits if not known.covers(hit.part, hit.id)]

    def _deleted(self, ids: Sequence[str]) -> set[str]:
        """Return those of ``ids`` that are deleted rows of the index."""
        known = self._watch.tombstones()
        hits = self.held.get(known.among(ids)).values() if known else ()
        return {hit.id for hit in hits if known.covers(hit.part, hit.id)}

    def count(self) -> int:
        """Return the number of rows, those deleted since the index was built too."""
        return self.held.count()

    def sample(self, count: int) -> np.ndarray:
        """Return about ``count`` vectors from all over the index, float32 [N, D]."""
        return self.held.sample(count)

    def close(self) -> None:
        """Close the index."""
        self._watch.close()
        self.held.close()

    @property
    def settings(self) -> Mapping[str, Any]:
        """Build and search settings, in the backend's own words."""
        return self.held.settings

    def set_search_settings(self, settings: Mapping[str, Any]) -> None:
        """Change search settings for processes that open the index from now on."""
        self.held.set_search_settings(settings)

    @property
    def expected_rows(self) -> int | None:
        """Rows that a first loading, not finished yet, will bring; None: it is finished."""
        return self.held.expected_rows

    @property
    def build_id(self) -> str:
        """A different text for every build."""
        return self.held.build_id

    @property
    def build_stats(self) -> BuildStats | None:
        """What the build took; None: unknown, or several runs built it."""
        return self.held.build_stats


class _Watch:
    """The tombstones of a store, looked for again once a second while they are asked for."""

    def __init__(self, store: str) -> None:
        self._known, self._looked = Tombstones(), time.monotonic()
        self._entries: TombstoneFolder | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._asked: Future[None] | None = None
        self._lost = ""
        try:
            folder = Folder(store)
            if not folder.names():
                raise StoreError(f"there is no store at {folder.url}")
            self._entries = TombstoneFolder(folder)
            self._known = self._entries.read()
            if not folder.local:
                self._thread = ThreadPoolExecutor(1, "tombstones")
        except (DamagedTombstones, SchemaError):
            raise
        except ClipvecError as error:
            self._lose(error)

    def tombstones(self) -> Tombstones:
        """Return what is deleted, as of at most a second ago."""
        now = time.monotonic()
        if self._entries is not None and now - self._looked >= _SECONDS:
            self._looked = now
            if self._thread is None:
                self._look()
            else:
                if self._asked is None or self._asked.done():
                    self._asked = self._thread.submit(self._look)
                wait([self._asked], _SECONDS)
        return self._known

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _look(self) -> None:
        assert self._entries is not None
        try:
            self._known, self._lost = self._entries.read(), ""
        except ClipvecError as error:
            self._lose(error)

    def _lose(self, error: ClipvecError) -> None:
        """Say once that later deletions are not known; what is known still holds."""
        if str(error) != self._lost:
            self._lost = str(error)
            log.warning("rows that are deleted from now on are still found: %s", error)
