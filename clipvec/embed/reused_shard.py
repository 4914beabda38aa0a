"""A shard of another model's store, whose rows are embedded once more.

What one has to hold is what the other shows: that is read when the work on it begins, and again
when it is committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from clipvec import paths
from clipvec.data import Reject
from clipvec.embed.pipeline import Reused
from clipvec.errors import StoreError, printable
from clipvec.store import BLOCKED, Entry, are_alike, compaction, id_digest, image_digest, reused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pyarrow as pa

    from clipvec.data import Dataset, GrowingDataset, Record
    from clipvec.embed.pipeline import Item
    from clipvec.embed.reuse import ReusedStore
    from clipvec.store import LedgerRow, ShardWriter, Store

_CHANGED = "it is not the image that was embedded before"
_MISSING = "its image is no longer in the dataset, or not in its place"


class ReusedShard:
    """A shard of another store, whose rows one comes to have as they are when it is committed.

    Positions are those of its rows: each is one item.
    """

    def __init__(
        self, other: ReusedStore, shard: int, writer: ShardWriter, plan: pa.Table | None
    ) -> None:
        """Compare what is written with what the shard shows now, and start over if it has others.

        Args:
            other: the store of the other model.
            shard: finished there.
            writer: of the shard that takes its rows over.
            plan: the sources of its generation; None: the dataset does not grow.

        Raises:
            StoreError: it cannot be read.
        """
        self._other, self._shard, self._writer, self._plan = other, shard, writer, plan
        self._made, self._marker = other.finished(shard)
        self._rows = reused.ShardRows(self._made, self._marker)
        self._take_rejects()
        self._todo, _, right = self._compare()
        if not right:
            writer.start_over(f"{writer.folder} has other rows than {self}")
            self._take_rejects()
            self._todo, *_ = self._compare()

    def __str__(self) -> str:
        return f"shard {self._shard} of {self._made.url}"

    @property
    def size(self) -> int:
        """Number of its rows, of which the written and the rejected ones are done."""
        return self._writer.position + len(self._todo)

    def lost(self) -> list[LedgerRow]:
        """Return the rejects that are rows of the other store."""
        return [row for row in self._writer.rejected() if _key(row) not in self._decided]

    def _take_rejects(self, lost: Iterable[LedgerRow] | None = None) -> None:
        """Make the other shard's ledger that of this one, beside the rows that are ``lost``."""
        decided = self._made.rejects([self._marker])[self._marker.shard]
        self._decided = frozenset(map(_key, decided))
        self._writer.replace_rejects([*decided, *(self.lost() if lost is None else lost)])

    def _compare(self) -> tuple[list[int], list[str], bool]:
        """Compare what is written with what the other shard shows.

        Returns:
            The numbers of rows that are neither written nor rejected; the ids that are written and
            not shown; whether those are deleted there, and these follow in order.
        """
        own, lost = self._writer.ids(), self.lost()
        held = {*own, *(id for _, id, *_ in lost)}
        blocked = {id for _, id, *_, error in lost if error == BLOCKED}  # by its digest
        ids = self._rows.ids
        todo = [n for n, id in enumerate(ids) if id not in held]
        todo = [n for n in todo if not blocked or id_digest(ids[n]) not in blocked]
        places = {id: n for n, id in enumerate(ids)}
        at = [places[id] for id in own if id in places]
        stale = [id for id in own if id not in places]
        covers, file = self._made.tombstones.covers, paths.ShardPaths(self._shard).part(0)
        follows = not (at and todo) or todo[0] > at[-1]
        return todo, stale, follows and at == sorted(at) and all(covers(file, id) for id in stale)

    def items(self, dataset: Dataset, cut: tuple[int, int]) -> Iterator[Item]:
        """Yield what becomes of each row that is neither written nor rejected, in order.

        Args:
            dataset: the sources of the generation.
            cut: the number of the shard in it, of how many.
        """
        ids, todo = self._rows.ids, self._todo
        places = {ids[number]: at for at, number in enumerate(todo)}
        faults: dict[str, Reject] = {}
        start = 0
        for record in self._records(dataset, cut) if todo else ():
            at = places.get(record.id, -1)
            if at < start:
                continue
            if isinstance(record, Reject):
                faults.setdefault(record.id, record)
                continue
            row = self._rows.row(todo[at])
            if image_digest(record.image) != row.digest:
                faults[row.id] = Reject(row.id, row.uri, _CHANGED, "Changed")
                continue
            for number in todo[start:at]:
                yield self._fault(number, faults)
            yield Reused(record.image, row)
            start = at + 1
            if start == len(todo):
                return
        for number in todo[start:]:
            yield self._fault(number, faults)

    def _fault(self, number: int, faults: dict[str, Reject]) -> Reject:
        row = self._rows.row(number)
        return faults.pop(row.id, None) or Reject(row.id, row.uri, _MISSING, "Missing")

    def _records(self, dataset: Dataset, cut: tuple[int, int]) -> Iterator[Record | Reject]:
        """Yield all items among which the missing rows are.

        A source that changed may have more items or less, so that a range of them is another one.
        """
        if self._plan is None:
            return dataset.records(*cut)
        growing = cast("GrowingDataset", dataset)
        if not growing.has_whole_sources(*cut) and _are_unchanged(growing, self._plan):
            return dataset.records(*cut)
        sources = self._rows.sources[self._todo]
        return growing.records_of(range(int(sources.min()), int(sources.max()) + 1))

    def settle(self, store: Store) -> None:
        """Delete what is deleted in the other shard by now, once it shows no other rows.

        Args:
            store: took its rows over, and has its parts.

        Raises:
            StoreError: it shows others, as after the end of a deletion; or a store cannot be read
                or written.
        """
        before = self._marker, self._made.tombstones.entries
        self._made, self._marker = self._other.finished(self._shard)
        if (self._marker, self._made.tombstones.entries) != before:
            lost = self.lost()
            self._rows = reused.ShardRows(self._made, self._marker)
            self._take_rejects(lost)
        todo, stale, right = self._compare()
        if todo or not right:
            back = f"{printable(self._rows.ids[todo[0]])} of {self} was taken back" if todo else ""
            raise StoreError(
                f"{back or f'{self} was embedded again'} after this command began with it; run the "
                "same command again, which embeds what is missing"
            )
        carry_blocked(self._made, store)
        entry = reused.deletions(self._made, self._marker, store, self._writer, stale)
        name = "" if entry is None else entry.name
        active = store.entries.read().active
        for other in reused.carried(active, self._made, self._writer.shard) - {name}:
            # of a command that was killed before the commit; a deletion may have been taken back
            store.entries.add(Entry.now(None, {}, undoes=other))
        if entry is not None and name not in active:
            store.entries.add(entry)


def _key(row: LedgerRow) -> tuple[int, str, str]:
    """Return what tells a reject from others, whether its name was hidden meanwhile or not."""
    position, id, _, reason, error = row
    return position, id if reason == compaction.HIDDEN else id_digest(id), error


def _are_unchanged(dataset: GrowingDataset, plan: pa.Table) -> bool:
    """Return whether it is known of all sources that they are as they were planned."""
    now = dataset.listing().table
    known = not any(now[name].null_count for name in ("size", "version"))
    return known and are_alike(now, plan)


def carry_blocked(made: Store, store: Store) -> None:
    """Delete forever in a store what was so in the one whose rows it takes over.

    Raises:
        StoreError: a store cannot be read or written.
    """
    if (entry := reused.blocked(made, store.entries.read().blocked)) is not None:
        store.entries.add(entry)
