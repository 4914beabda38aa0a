"""Generations: what a store covers, as a row of frozen lists of sources.

<store>/generations/00001.json               which shards they are cut into; the commit mark
<store>/generations/00001-5d2f8c13.parquet   the sources, and the rows that theirs replace

Shards are numbered through all generations, so that nothing else needs to know of them. A
generation is planned when the one before is published, by whoever writes its file first; the first
is published from its start, a later one as a whole, by a deletion that names it (`Entry`): at that
moment its rows are there, and those that they replace are gone. A store of a dataset that does not
grow has no such files, and one generation.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clipvec import files, paths
from clipvec.errors import StoreError
from clipvec.store import checksums
from clipvec.store.joins import Join, Joins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence, Set

    import pyarrow as pa

    from clipvec.store.folder import Folder

_SCHEMA = 3
"""Schema number of a generation."""
_MEND = "use the version that wrote it"
_BACK = "put the file that was there back"
LISTED = ("name", "size", "version", "detail")
"""Columns of a plan that are those of a listing."""
REPLACED = ("replaced_generation", "replaced_source")
"""Columns of a plan: the source of an earlier generation whose rows go; null: none."""


@dataclass(frozen=True)
class Generation:
    """Some sources of the dataset, and the shards that they are cut into."""

    number: int
    first: int
    """Number of its first shard."""
    count: int
    """Number of its shards."""
    sources: int
    """Number of the sources to embed, the first of its plan; those that are gone follow."""
    plan: str = ""
    """File of the plan, relative to the store; empty: the dataset does not grow."""
    sha256: str = ""
    """Of that file."""
    series: str = ""
    """SHA-256 of the first plan of the store, as it was written: generations of others differ."""
    joins: tuple[Join, ...] = ()
    """What it took the place of, its own join last; empty: embed made it."""

    @property
    def shards(self) -> range:
        """The numbers of its shards in the store."""
        return range(self.first, self.first + self.count)

    @property
    def stop(self) -> int:
        """Number of the shards of the store up to its last."""
        return self.first + self.count


class Generations:
    """The generations of a store, oldest first."""

    def __init__(
        self,
        folder: Folder,
        only: Generation,
        joins: Callable[[], Joins] = Joins,
        begun: Callable[[], Sequence[int]] | None = None,
    ) -> None:
        """Read those of a folder.

        Args:
            folder: of the store.
            only: the one of a store without files of them.
            joins: returns what was joined.
            begun: returns the shards that there are, which files say of what they are; None: of a
                dataset that does not grow, without files.
        """
        self._folder = folder
        self._only = only
        self._begun = begun
        self._joins = joins

    def newest(self) -> Generation:
        """Return the last that was planned.

        Raises:
            StoreError: its file cannot be read, or is damaged.
            SchemaError: another version of clipvec wrote it.
        """
        names = self._names()
        return self._read(names[-1:])[0] if names else self._only

    def get(self, number: int) -> Generation:
        """Return one by its number, or the one that has its rows now; see `newest`."""
        names = self._names()
        if not number and not names:
            return self._only
        if paths.generation(number) in names:
            return self._read([paths.generation(number)])[0]
        joined = [g for g in self.all() if number in Joins(g.joins).generations]
        if not joined:
            raise self._gone(number)
        return joined[0]

    def all(self) -> list[Generation]:
        """Return all whose rows are not in a later one; see `newest`."""
        names = self._names()
        if not names:
            return [self._only]
        contents = self._folder.read_each(names)  # some may go meanwhile, as they were joined
        found = [self._parse(name, contents[name]) for name in names if name in contents]
        # a publication may be lost, as files go only after it
        gone = Joins(join for each in found for join in each.joins).generations
        known, last = self._joins().generations, max(each.number for each in found)
        if missing := set(range(last + 1)) - gone - known - {each.number for each in found}:
            raise self._gone(min(missing))
        found = [each for each in found if each.number not in known]
        stop = number = 0
        for each in found:
            file = self._folder.path(paths.generation(each.number))
            # what was joined may have had no shard
            follows = each.first == stop if each.number == number else each.first >= stop
            if not follows or each.series != found[0].series:
                raise StoreError(
                    f"{file} is of shards {each.first} and on, the one before ends at "
                    f"{stop}; is one of another store? {_BACK}"
                )
            stop, number = each.stop, each.number + 1
        return found

    def num_shards(self, published: Set[int], read: Callable[[], Set[int]]) -> int:
        """Return the number of the shards that readers see, those of published generations.

        Args:
            published: the numbers of the published ones, read before this is called.
            read: returns those that are published now.

        Raises:
            StoreError: a file is gone, or what published a generation; see `newest`.
        """
        newest, last = self.newest(), max(published, default=0)
        if newest.number < last:
            raise self._gone(last)
        now = read() if newest.number > last + 1 else published  # others were published since
        if missing := set(range(1, newest.number)) - now:  # each is planned after that
            raise StoreError(
                f"what published generation {min(missing)} is gone from "
                f"{self._folder.path(paths.TOMBSTONES)}; put the file that was there back, or run "
                "the clipvec embed that made it again, which publishes it anew"
            )
        if newest.number == last:
            return newest.stop
        if newest.number == last + 1:
            return newest.first
        seen = next((each for each in self.all() if each.number == last), None)
        if seen is None:
            raise _joined(last)
        return seen.stop

    def planned(self, published: Set[int], begun: Iterable[int]) -> list[Generation]:
        """Return all, once it is sure that none is gone of which something else is left.

        Args:
            published: the numbers of the published ones.
            begun: the shards that have a folder.

        Raises:
            StoreError: one is gone; see `newest`.
        """
        found = self.all()
        newest = found[-1]
        if newest.number < max(published, default=0):
            raise self._gone(newest.number + 1)
        if strange := [number for number in begun if number >= newest.stop]:
            folder = self._folder.path(paths.ShardPaths(strange[0]).folder)
            raise StoreError(
                f"{folder} is of no shard of this store, which has {newest.stop}: if it is a copy, "
                "remove it"
                + (f"; if files of {paths.GENERATIONS} are gone, {_BACK}" if newest.plan else "")
            )
        return found

    def by_folder(self) -> dict[str, int]:
        """Return the number of the generation of each shard by its folder; see `newest`."""
        found = [(each.number, shard) for each in self.all() for shard in each.shards]
        return {paths.ShardPaths(shard).folder: number for number, shard in found}

    def _gone(self, number: int) -> StoreError:
        return StoreError(f"{self._folder.path(paths.generation(number))} is gone; {_BACK}")

    def _names(self) -> list[str]:
        names = self._listed()
        if names or self._begun is None or not self._begun():
            return names
        if names := self._listed():  # written meanwhile, as is the first before any shard
            return names
        raise StoreError(
            f"{self._folder.path(paths.generation(0))} is gone, which says what the shards hold; "
            f"{_BACK}, or embed into another store.root"
        )

    def _listed(self) -> list[str]:
        names = self._folder.names(paths.GENERATIONS)
        return [f"{paths.GENERATIONS}/{name}" for name in names if name.endswith(".json")]

    def _read(self, names: list[str]) -> list[Generation]:
        contents = self._folder.read_each(names)
        return [self._parse(name, contents.get(name)) for name in names]

    def _parse(self, name: str, data: bytes | None) -> Generation:
        file = self._folder.path(name)
        if data is None:
            raise StoreError(f"{file} is gone; {_BACK}")
        try:
            values = files.from_json(data, _SCHEMA, file, _MEND, sealed=True)
            joins = tuple(Join.of(join) for join in values.pop("joins"))
            found = Generation(**values, joins=joins)
            if paths.generation(found.number) != name:
                raise ValueError(f"it is that of generation {found.number}")
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{file} is damaged ({error}); {_BACK}") from error
        return found

    def plan(self, generation: Generation) -> pa.Table:
        """Return the sources of a generation, with the columns `REPLACED`.

        Raises:
            StoreError: the file is missing, or another than was written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = self._folder.path(generation.plan)
        try:
            data = self._folder.read(generation.plan)
            if checksums.sha256(data) != generation.sha256:
                raise ValueError("its checksum is another")
            return pq.read_table(io.BytesIO(data))
        except (OSError, ValueError, pa.ArrowException) as error:
            decided = self.get(generation.number)
            if decided.number != generation.number:
                raise _joined(generation.number) from error
            if decided != generation:  # written again meanwhile, see `hide_names`
                return self.plan(decided)
            raise StoreError(f"{file} is missing or damaged ({error}); {_BACK}") from error

    def add(
        self,
        number: int,
        first: int,
        count: int,
        sources: int,
        plan: pa.Table,
        joins: tuple[Join, ...] = (),
    ) -> tuple[Generation, bool]:
        """Write a generation, unless another process wrote one meanwhile.

        Returns:
            The one that is decided, and whether this call decided it.

        Raises:
            StoreError: it cannot be written.
        """
        mine = self._write_plan(Generation(number, first, count, sources, joins=joins), plan)
        mine = replace(mine, series=self.get(0).series if number else mine.sha256)
        created = self._folder.create(paths.generation(number), _to_json(mine))
        decided = self.get(number)  # where creation is not atomic, whoever wrote last
        if decided.plan != mine.plan:
            self._folder.remove(mine.plan)
        return decided, created and decided == mine

    def _write_plan(self, generation: Generation, plan: pa.Table) -> Generation:
        """Write the plan of a generation, and return the generation with it."""
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(plan, buffer, compression="zstd")
        data = buffer.getvalue()
        sha256 = checksums.sha256(data)
        file = paths.generation_plan(generation.number, sha256)
        self._folder.write(file, data)
        return replace(generation, plan=file, sha256=sha256)

    def rewrite(self, generation: Generation, plan: pa.Table) -> None:
        """Write another plan of a generation, of the same sources."""
        written = self._write_plan(generation, plan)
        self._folder.write(paths.generation(generation.number), _to_json(written))

    def remove_others(self) -> None:
        """Remove the files that none of `all` needs any more.

        Raises:
            StoreError: one cannot be removed.
        """
        found = self.all()
        kept = {file for each in found for file in (paths.generation(each.number), each.plan)}
        for name in self._folder.names(paths.GENERATIONS):
            file = f"{paths.GENERATIONS}/{name}"
            number = name.partition("-")[0].partition(".")[0]
            # a later one may be about to be decided
            if number.isdigit() and int(number) <= found[-1].number and file not in kept:
                self._folder.remove(file)


def _joined(number: int) -> StoreError:
    return StoreError(
        f"generation {number} was joined by clipvec compact after this command began; run the same "
        "command again"
    )


def _to_json(generation: Generation) -> bytes:
    """Return the bytes of its file, with a checksum."""
    return files.to_json(asdict(generation), _SCHEMA, sealed=True)


def current(generations: Sequence[Generation], plans: Sequence[pa.Table]) -> pa.Table:
    """Return the sources that a store covers, from the plans of all its generations.

    Returns:
        The columns of a listing, and ``generation`` and ``source``: where each was embedded last.
    """
    import pyarrow as pa

    tables, gone, starts, stop = [], [], {}, 0
    for each, plan in zip(generations, plans, strict=True):
        embedded = plan.slice(0, each.sources).select(LISTED)
        embedded = embedded.append_column(
            "generation", pa.array(np.full(each.sources, each.number))
        )
        tables.append(embedded.append_column("source", pa.array(np.arange(each.sources))))
        gone.append(replaced_sources(plan))
        starts[each.number], stop = stop, stop + each.sources
    whole = pa.concat_tables(tables)
    if len(plans) == 1:
        return whole
    live = np.ones(len(whole), bool)
    for number, source in np.concatenate(gone).tolist():
        if number in starts:  # else it was joined
            live[starts[number] + source] = False
    return whole.filter(pa.array(live))


def replaced_sources(plan: pa.Table) -> np.ndarray:
    """Return the sources whose rows a plan replaces: generation and number, int64 [N, 2]."""
    known = plan.filter(plan[REPLACED[0]].is_valid())
    return np.column_stack([known[name].to_numpy().astype(np.int64) for name in REPLACED])
