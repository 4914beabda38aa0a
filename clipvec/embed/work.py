"""A generation of a store as work to do."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING

from clipvec.errors import StoreError
from clipvec.progress import counted
from clipvec.store import (
    Entry,
    Store,
    TombstoneFolder,
    compaction,
    deleted_rows,
    hide_blocked,
    still_deleted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import numpy as np

    from clipvec.data import Dataset, SyntheticDataset
    from clipvec.embed.reuse import ReusedStore
    from clipvec.store import Generation

log = logging.getLogger(__name__)


class Work:
    """A generation to embed."""

    def __init__(
        self,
        generation: Generation,
        opened: Callable[[], tuple[Dataset | SyntheticDataset, np.ndarray]],
        *,
        new: bool = False,
    ) -> None:
        """Take what opens it, when it is first asked for.

        Args:
            generation: to embed.
            opened: returns the dataset that has its sources alone, and the sources whose rows
                it replaces: generation and number, int64 [N, 2].
            new: whether it was planned just now, of all that has changed.
        """
        self.generation = generation
        self.new = new
        self._open = opened

    @cached_property
    def _opened(self) -> tuple[Dataset | SyntheticDataset, np.ndarray]:
        return self._open()

    @property
    def dataset(self) -> Dataset | SyntheticDataset:
        """The dataset that has its sources alone."""
        return self._opened[0]

    @property
    def replaced(self) -> np.ndarray:
        """The sources whose rows it replaces: generation and number, int64 [N, 2]."""
        return self._opened[1]

    def cut(self, shard: int) -> tuple[int, int]:
        """Return a shard of the store as one of the dataset: its number, of how many."""
        return shard - self.generation.first, self.generation.count

    def missing(self, store: Store, known: Collection[int]) -> list[int]:
        """Return the shards of the generation that are not committed, as the store counts them.

        Args:
            store: of the generation.
            known: shards that are committed, at which it does not look.
        """
        unknown = [shard for shard in self.generation.shards if shard not in known]
        committed = store.complete(unknown)
        return [shard for shard in unknown if shard not in committed]

    def publish(self, store: Store, reused: ReusedStore | None) -> int:
        """Show the rows of the generation, and return how many earlier ones they replace.

        Args:
            store: of the generation.
            reused: the store whose rows it took over; None: there is none.

        Raises:
            StoreError: the store cannot be read or written.
        """
        return publish(store, self.generation, self.replaced, reused)


def publish(
    store: Store, generation: Generation, sources: np.ndarray, reused: ReusedStore | None
) -> int:
    """Show the rows of a generation in place of those of ``sources``; return how many these are.

    Images that were deleted stay deleted, those too that were deleted forever meanwhile. Of what
    was deleted in the store that is ``reused``, its own generation says what became of it.

    Raises:
        StoreError: the store cannot be read or written, or clipvec compact planned the generation.
    """
    if generation.joins:
        raise StoreError(
            f"generation {generation.number} of {store.url} joins others; run the same command "
            "again, which finishes it"
        )
    store = Store.open(store.url)  # rows may have been deleted meanwhile
    entries = TombstoneFolder(store.folder)
    carried = frozenset() if reused is None else reused.deletion_times()
    for entry in still_deleted(store, sources, generation, carried):
        log.info("%s deleted before, and stay so", counted(entry.rows, "row"))
        entries.add(entry)
    markers = store.committed(generation.shards).values()
    parts = [part for marker in markers for part in marker.parts]
    seen = hide_blocked(store, parts)
    while not compaction.is_current(store, rows := deleted_rows(store, sources)):
        store = Store.open(store.url)
    entry = Entry.now("replaced or gone", rows, generation=generation.number)
    entries.add(entry)
    hide_blocked(store, parts, seen)  # who deletes looks at published shards alone
    return entry.rows
