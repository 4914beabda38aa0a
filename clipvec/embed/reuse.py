"""Takes over what the store of another model holds of the same dataset: all but the vectors.

What was decided once is not decided again: which files there are, in which generations and shards,
which images are rejected or deleted, and what a row says of its image. The images are read and
decoded once more; one that is gone, or whose bytes are others, is rejected.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from clipvec import paths, shards
from clipvec.config import SyntheticConfig
from clipvec.data import Reject
from clipvec.embed.fingerprint import data_fields
from clipvec.embed.pipeline import Reused, Skipped
from clipvec.errors import ConfigError, IncompleteStoreError, StoreError
from clipvec.progress import counted
from clipvec.store import REPLACED, Store, canonical_url, reused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from clipvec.config import EmbedConfig
    from clipvec.data import Dataset, Record, SyntheticDataset
    from clipvec.embed.pipeline import Item
    from clipvec.store import Generation, LedgerRow, Part, ShardWriter

log = logging.getLogger(__name__)
_MISSING = "its image is no longer in the dataset, or not in its place"


def reused_url(config: EmbedConfig) -> str:
    """Return the location of the store that ``reuse`` names; empty: it names none."""
    given = config.reuse or ""
    if not given or "/" in given:
        return given
    return paths.store_dir(config.store.root, config.dataset.name, given)


class ReusedStore:
    """The store of another model, of the same dataset, whose rows are taken over."""

    def __init__(self, config: EmbedConfig, url: str, *, whole: bool) -> None:
        """Open it.

        Args:
            config: of the command.
            url: where it is.
            whole: whether all of its shards have to be there, or those alone that are asked for.

        Raises:
            ConfigError: there are no images, or it is the store to embed into.
            FingerprintError: it is of another dataset, sharding or row layout.
            StoreError: there is none, or it is not finished.
        """
        self._config = config
        self._asked = f"reuse={config.reuse}"
        if isinstance(config.dataset, SyntheticConfig):
            raise ConfigError(f"{self._asked}: dataset=synthetic has no images to embed again")
        own = paths.store_dir(config.store.root, config.dataset.name, config.model.name)
        if canonical_url(url) == canonical_url(own):
            raise ConfigError(
                f"{self._asked} is the store to embed into; name another model, or its store"
            )
        store = Store.find(url)
        if store is None:
            raise StoreError(
                f"{self._asked}: there is no store at {url}; name a model that the dataset was "
                "embedded with, or the location of its store"
            )
        self.store = store
        if config.dataset.grows:
            self.check_data(None)
        if whole and (missing := store.unfinished()):
            raise self._unfinished(missing)
        self._generations = [g for g in store.generations.all() if store.is_published(g)]
        self._pairs: dict[int, Generation] = {}
        """Its generation by the number of the one that takes its rows over."""

    @property
    def first(self) -> Generation:
        """Its first generation."""
        return self._generations[0]

    def check_data(self, dataset: Dataset | SyntheticDataset | None) -> None:
        """Refuse one of another dataset or row layout; its vectors may have another type.

        Args:
            dataset: opened; may be None if it grows.

        Raises:
            FingerprintError: with both values and the fix.
        """
        known = self.store.fingerprint
        fields = {**data_fields(self._config, dataset), "dtype": known.dtype}
        known.check_data(fields, f"{self._asked}: {self.store.url}", "another reuse")

    def check_begun(self, store: Store) -> None:
        """Refuse a store that was not begun with the rows of this one.

        Raises:
            ConfigError: with the fix.
        """
        if store.reused != self.store.digest:
            raise ConfigError(
                f"{self._asked}: {store.url} was begun without the rows of {self.store.url}; embed "
                "without reuse=, or into a store of another model.name"
            )

    def plan_next(self, store: Store, own: Sequence[Generation]) -> Generation | None:
        """Plan the generation whose rows are to be taken over next; None: none is left.

        Args:
            store: takes them over.
            own: its generations.

        Raises:
            StoreError: a store cannot be read or written.
            ConfigError: it has other generations than this one.
        """
        self.pair(store, own)
        if len(own) == len(self._generations):
            return None
        theirs = self._generations[len(own)]
        numbers = {
            each.number: mine.number for each, mine in zip(self._generations, own, strict=False)
        }
        plan = _renumbered(self.store.generations.plan(theirs), numbers)
        number, first = (own[-1].number + 1, own[-1].stop) if own else (0, 0)
        return store.generations.add(number, first, theirs.count, theirs.sources, plan)

    def pair(self, store: Store, own: Sequence[Generation]) -> None:
        """Find out whose rows the generations of a store take over; see `plan_next`."""
        alike = len(own) <= len(self._generations)
        for mine, theirs in zip(own, self._generations, strict=False):
            if mine.number not in self._pairs:
                alike = alike and self._are_alike(store, mine, theirs)
                self._pairs[mine.number] = theirs
        if not alike:
            raise ConfigError(
                f"{self._asked}: {store.url} has other generations than {self.store.url}, as after "
                "an embed without reuse=, or a compact of one of them; embed without reuse= from "
                "now on"
            )

    def _are_alike(self, store: Store, mine: Generation, theirs: Generation) -> bool:
        """Return whether generations are of the same files; names may be hidden in one of them."""
        if (mine.count, mine.sources) != (theirs.count, theirs.sources):
            return False
        if not mine.plan:
            return True
        pairs = ((store, mine), (self.store, theirs))
        one, other = (
            where.generations.plan(each).slice(0, each.sources).select(["size", "version"])
            for where, each in pairs
        )
        return bool(one.equals(other))

    def shard(self, generation: Generation, writer: ShardWriter) -> ReusedShard:
        """Return the shard whose rows one takes over.

        Args:
            generation: of the one that takes them over; see `pair`.
            writer: of that.

        Raises:
            StoreError: the shard is not finished, or cannot be read.
        """
        theirs = self._pairs[generation.number]
        shard = theirs.first + writer.shard - generation.first
        if shard not in self.store.complete([shard]):
            raise self._unfinished([shard])
        return ReusedShard(self.store, shard, writer)

    def _unfinished(self, missing: Sequence[int]) -> IncompleteStoreError:
        return IncompleteStoreError(
            f"{self._asked}: {self.store.url} is not finished: it lacks "
            f"{counted(len(missing), 'shard')} ({shards.format(missing)}); run the clipvec embed "
            "that began it again"
        )


class ReusedShard:
    """A shard of another store, and what becomes of its rows."""

    def __init__(self, store: Store, shard: int, writer: ShardWriter) -> None:
        """Take its rejects over.

        Args:
            store: of the other model.
            shard: committed there.
            writer: of the shard that takes its rows over.

        Raises:
            StoreError: it cannot be read.
        """
        self._store, self._shard, self._writer = store, shard, writer
        marker = store.committed([shard])[shard]
        self._rows = reused.ShardRows(store, marker)
        self._decided = frozenset(store.rejects(marker))
        self._start = writer.position
        for row in sorted(self._decided):
            if row[0] >= self._start:  # earlier ones are in the ledger
                writer.reject(*row)
        self._places = {id: at for at, id in enumerate(self._rows.ids)}
        written = [self._places[id] for id in writer.ids() if id in self._places]
        self._last = max(written, default=-1)
        self._met = np.zeros(len(self._places), bool)
        self._met[[*written, *(self._places[id] for id in self._lost_ids())]] = True

    def lost(self) -> list[LedgerRow]:
        """Return the rejects that are rows of the other store."""
        return [row for row in self._writer.rejected() if row not in self._decided]

    def _lost_ids(self) -> list[str]:
        return [id for _, id, *_ in self.lost() if id in self._places]

    def items(self, records: Iterable[Record | Reject]) -> Iterator[Item]:
        """Yield an item for each record, and a reject for each row that has none.

        Args:
            records: the dataset's, from the position of the writer on.
        """
        decided = {(position, id) for position, id, *_ in self._decided}
        last = self._last
        for position, item in enumerate(records, self._start):
            at = self._places.get(item.id, -1)
            if at <= last or (position, item.id) in decided:
                yield Skipped(item.uri)
                continue
            last = at
            self._met[at] = True
            yield item if isinstance(item, Reject) else Reused(item.image, self._rows.row(at))
        for at in np.flatnonzero(~self._met).tolist():
            row = self._rows.row(at)
            yield Reject(row.id, row.uri, _MISSING, "Missing")

    def check(self, store: Store, parts: Sequence[Part]) -> None:
        """Refuse to commit other rows than those that the other shard has.

        Args:
            store: took them over.
            parts: of its shard.

        Raises:
            StoreError: the ids differ, but for those that were rejected.
        """
        pieces = (piece for part in parts for piece in store.read_all(part, ["id"]))
        own = [id for piece in pieces for id in piece["id"].to_pylist()]
        lost = set(self._lost_ids())
        if own != [id for id in self._rows.ids if id not in lost]:
            raise StoreError(
                f"{self._writer.folder} has other rows than shard {self._shard} of "
                f"{self._store.url}, whose rows it takes over; remove that folder and run the same "
                "command again"
            )

    def carry(self, store: Store, parts: Sequence[Part]) -> None:
        """Delete what is deleted in the other shard by now; see `clipvec.store.reused`.

        Args:
            store: took its rows over.
            parts: of its shard.

        Raises:
            StoreError: a store cannot be read or written.
        """
        made = self._store.again()
        carry_blocked(made, store)
        into = self._writer.shard
        entry = reused.deletions(made, self._shard, store, into, parts)
        if entry is not None and entry.name not in store.entries.read().entries:
            store.entries.add(entry)


def carry_blocked(made: Store, store: Store) -> None:
    """Delete forever in a store what was so in the one whose rows it takes over.

    Raises:
        StoreError: a store cannot be read or written.
    """
    if (entry := reused.blocked(made, store.entries.read().blocked)) is not None:
        store.entries.add(entry)


def _renumbered(plan: pa.Table, numbers: Mapping[int, int]) -> pa.Table:
    """Return a plan that names what it replaces by other numbers of the generations.

    What is in none of them was joined, and is not there.
    """
    import pyarrow as pa

    generations, sources = (plan[name].to_pylist() for name in REPLACED)
    new = [numbers.get(number) for number in generations]
    kept = [None if n is None else source for n, source in zip(new, sources, strict=True)]
    for name, values in zip(REPLACED, (new, kept), strict=True):
        at = plan.schema.get_field_index(name)
        plan = plan.set_column(at, plan.schema.field(at), pa.array(values, pa.int64()))
    return plan
