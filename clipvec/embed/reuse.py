"""Takes over what the store of another model holds of the same dataset: all but the vectors.

What was decided once is not decided again: which files there are, in which generations and shards,
which images are rejected or deleted, and what a row says of its image. The images are read and
decoded once more; one that is gone, or whose bytes are others, is rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import paths, shards
from clipvec.config import SyntheticConfig
from clipvec.embed.fingerprint import data_fields
from clipvec.embed.reused_shard import ReusedShard
from clipvec.errors import ConfigError, IncompleteStoreError, StoreError
from clipvec.progress import counted
from clipvec.store import REPLACED, Store, are_alike, canonical_url, reused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from clipvec.config import EmbedConfig
    from clipvec.data import Dataset, SyntheticDataset
    from clipvec.store import CommitMarker, Generation, ShardWriter


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
        if canonical_url(url) == canonical_url(config.store_url):
            raise ConfigError(
                f"{self._asked} is the store to embed into; name another model, or its store"
            )
        store = Store.find(url)
        if store is None:
            raise StoreError(
                f"{self._asked}: there is no store at {url}; name a model that the dataset was "
                "embedded with, or the location of its store"
            )
        store.check_fingerprint()
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
        plan = reused.marked(plan, self.store)
        number, first = (own[-1].number + 1, own[-1].stop) if own else (0, 0)
        return store.generations.add(number, first, theirs.count, theirs.sources, plan)[0]

    def pair(self, store: Store, own: Sequence[Generation]) -> None:
        """Find out whose rows the generations of a store take over; see `plan_next`."""
        alike = len(own) <= len(self._generations)
        for mine, theirs in zip(own, self._generations, strict=False):
            if mine.number not in self._pairs:
                alike = alike and self._are_alike(store, mine, theirs)
                self._pairs[mine.number] = theirs
        if alike:
            return
        mend = "embed without reuse= from now on"
        if own[-1].number and not store.is_published(own[-1]) and reused.takes_over(store, own[-1]):
            mend = _without(store, own[-1])
        raise ConfigError(
            f"{self._asked}: {store.url} has other generations than {self.store.url}, as after an "
            f"embed without reuse=, or a compact of one of them; {mend}"
        )

    def _are_alike(self, store: Store, mine: Generation, theirs: Generation) -> bool:
        """Return whether generations are of the same files."""
        if (mine.count, mine.sources) != (theirs.count, theirs.sources):
            return False
        if not mine.plan:
            return True
        return are_alike(_listed(store, mine), _listed(self.store, theirs))

    def shard(self, store: Store, generation: Generation, writer: ShardWriter) -> ReusedShard:
        """Return the shard whose rows one takes over.

        Args:
            store: takes them over.
            generation: of it; see `pair`.
            writer: of its shard.

        Raises:
            StoreError: the shard is not finished, or cannot be read.
        """
        shard = self._pairs[generation.number].first + writer.shard - generation.first
        plan = _listed(store, generation) if generation.plan else None
        return ReusedShard(self, shard, writer, plan)

    def finished(self, shard: int) -> tuple[Store, CommitMarker]:
        """Return the store as it is now, and the marker of a shard of it.

        Raises:
            StoreError: the shard is not finished, or cannot be read.
        """
        made = Store.open(self.store.url)  # entries that are known may have been compacted since
        if shard not in (found := made.complete([shard])):
            made.check_joined([shard])
            raise self._unfinished([shard])
        return made, found[shard]

    def deletion_times(self) -> frozenset[str]:
        """Return the times of its deletions, also of those that were taken back.

        Raises:
            StoreError: they cannot be read.
        """
        entries = Store.open(self.store.url).tombstones.entries
        return frozenset(entry.time for entry in entries.values())

    def _unfinished(self, missing: Sequence[int]) -> IncompleteStoreError:
        return IncompleteStoreError(
            f"{self._asked}: {self.store.url} is not finished: it lacks "
            f"{counted(len(missing), 'shard')} ({shards.format(missing)}); run the clipvec embed "
            "that began it again"
        )


def check_taken_over(store: Store, generation: Generation) -> None:
    """Refuse to finish a generation without the store whose rows it takes over.

    Raises:
        ConfigError: with the fix.
        StoreError: the store cannot be read.
    """
    last = generation.number == store.generations.newest().number
    if not last or (generation.number and store.is_published(generation)):
        return  # it was finished once, and knows what is deleted
    if not reused.takes_over(store, generation):
        return
    missing = {*generation.shards} - store.committed(generation.shards).keys()
    if missing:
        raise ConfigError(
            f"generation {generation.number} of {store.url} takes over the rows of another store, "
            f"and lacks {counted(len(missing), 'shard')} ({shards.format(sorted(missing))}): give "
            f"reuse= that store; if that is gone, or was compacted, {_without(store, generation)}"
        )


def _without(store: Store, generation: Generation) -> str:
    """Return how to go on if the rows of a generation cannot be taken over."""
    if not generation.number:
        return "embed into another store.root"
    file = store.folder.path(paths.generation(generation.number))
    folders = [paths.ShardPaths(shard).folder for shard in generation.shards]
    return (
        f"remove {file} and what there is of {folders[0]} to {folders[-1]} beside it, run the same "
        "command without reuse=, and delete here what was deleted there since"
    )


def _listed(store: Store, generation: Generation) -> pa.Table:
    """Return the sources that a generation embeds."""
    return store.generations.plan(generation).slice(0, generation.sources)


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
