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
import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from clipvec import files, paths
from clipvec.errors import StoreError
from clipvec.store import checksums
from clipvec.store.schema import image_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Set

    import pyarrow as pa

    from clipvec.store.folder import Folder

_SCHEMA = 2
_HIDDEN = b".removed-"
"""Before the digest of a name of which no row is left; no such file is there to be embedded."""
_MEND = "update clipvec, or use the version that wrote it"
_BACK = "put the file that was there back"
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

    def __init__(self, folder: Folder, only: Generation) -> None:
        """Take where they are, and the generation of a store that has no files of them."""
        self._folder = folder
        self._only = only

    def newest(self) -> Generation:
        """Return the last that was planned.

        Raises:
            StoreError: its file cannot be read, or is damaged.
            SchemaError: another version of clipvec wrote it.
        """
        names = self._names()
        return self._read(names[-1:])[0] if names else self._only

    def get(self, number: int) -> Generation:
        """Return one by its number; see `newest`."""
        if not number and not self._names():
            return self._only
        return self._read([paths.generation(number)])[0]

    def all(self) -> list[Generation]:
        """Return all; see `newest`."""
        names = self._names()
        found = self._read(names) if names else [self._only]
        stop = 0
        for number, generation in enumerate(found):
            file = self._folder.path(paths.generation(number))
            if generation.number != number:
                raise self._gone(number)
            if (generation.first, generation.series) != (stop, found[0].series):
                raise StoreError(
                    f"{file} is of shards {generation.first} and on, the one before ends at "
                    f"{stop}; is one of another store? {_BACK}"
                )
            stop = generation.stop
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
        return newest.first if newest.number == last + 1 else self.all()[last].stop

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
        if newest.number < max(published, default=0) or any(n >= newest.stop for n in begun):
            raise self._gone(newest.number + 1)
        return found

    def by_folder(self) -> dict[str, int]:
        """Return the number of the generation of each shard by its folder; see `newest`."""
        found = [(each.number, shard) for each in self.all() for shard in each.shards]
        return {paths.ShardPaths(shard).folder: number for number, shard in found}

    def _gone(self, number: int) -> StoreError:
        return StoreError(f"{self._folder.path(paths.generation(number))} is gone; {_BACK}")

    def _names(self) -> list[str]:
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
            found = Generation(**files.from_json(data, _SCHEMA, file, _MEND, sealed=True))
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
            if decided != generation:  # written again meanwhile, see `hide`
                return self.plan(decided)
            raise StoreError(f"{file} is missing or damaged ({error}); {_BACK}") from error

    def add(self, number: int, first: int, count: int, sources: int, plan: pa.Table) -> Generation:
        """Write a generation, and return it, or the one that another process wrote meanwhile.

        Raises:
            StoreError: it cannot be written.
        """
        mine = self._write_plan(Generation(number, first, count, sources), plan)
        mine = replace(mine, series=self.get(0).series if number else mine.sha256)
        self._folder.create(paths.generation(number), _to_json(mine))
        decided = self.get(number)  # where creation is not atomic, whoever wrote last
        if decided.plan != mine.plan:
            self._folder.remove(mine.plan)
        return decided

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

    def hide(self, removed: set[tuple[int, int]]) -> None:
        """Put digests in the place of the names of sources of which no row is left.

        That of a source which is embedded still, as after its file changed, stays.

        Args:
            removed: generation and number of the sources whose rows were taken out of the files.

        Raises:
            StoreError: a plan cannot be read or written.
        """
        generations = self.all()
        plans = [self.plan(generation) for generation in generations]
        names = [plan["name"].to_pylist() for plan in plans]
        # a kill, or a list that was made meanwhile, leaves a name in one that others have no more
        gone = {_name_digest(names[number][source]) for number, source in removed}
        raw = {name for each in names for name in each if not name.startswith(_HIDDEN)}
        hidden = {name for name in raw if gone and _name_digest(name) in gone}
        if hidden:
            hidden -= _live_names(generations, plans, removed)
        kept = []
        for generation, plan in zip(generations, plans, strict=True):
            written, changed = generation, _hidden(plan, hidden)
            if changed is not None:
                written = self._write_plan(generation, changed)
                self._folder.write(paths.generation(generation.number), _to_json(written))
            kept.append(written.plan)
        for name in self._folder.names(paths.GENERATIONS):
            file = f"{paths.GENERATIONS}/{name}"
            number = name.partition("-")[0]
            # a later one may be about to be decided
            if name.endswith(".parquet") and int(number) < len(kept) and file not in kept:
                self._folder.remove(file)


def _live_names(
    generations: list[Generation], plans: list[pa.Table], removed: set[tuple[int, int]]
) -> set[bytes]:
    """Return the names of the sources that are covered still, but for removed ones."""
    import pyarrow as pa

    known = current(plans, [generation.sources for generation in generations])
    places = zip(known["generation"].to_pylist(), known["source"].to_pylist(), strict=True)
    live = pa.array([place not in removed for place in places], pa.bool_())
    return set(known["name"].filter(live).to_pylist())


def _hidden(plan: pa.Table, names: set[bytes]) -> pa.Table | None:
    """Return a plan with digests in the place of some names, and of their details; None: of none.

    What a source is called and what was written beside it tells of the image.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = plan["name"]
    mask = pc.is_in(column, value_set=pa.array([*names], column.type)).to_pylist()
    if not any(mask):
        return None
    for name, digest in (("name", _name_digest), ("detail", _detail_digest)):
        pairs = zip(plan[name].to_pylist(), mask, strict=True)
        values = [digest(value) if hide else value for value, hide in pairs]
        plan = _with_column(plan, name, values)
    return plan


def _with_column(table: pa.Table, name: str, values: list[object]) -> pa.Table:
    """Return a table with other values in one of its columns."""
    import pyarrow as pa

    at = table.schema.get_field_index(name)
    field = table.schema.field(at)
    return table.set_column(at, field, pa.array(values, field.type))


def revealed(known: pa.Table, listing: pa.Table) -> pa.Table:
    """Return sources that a store covers with the names of those that are listed still.

    Args:
        known: as `current` returns them, some with digests in the place of their names.
        listing: of the dataset as it is now.
    """
    import pyarrow.compute as pc

    hidden = pc.starts_with(known["name"], pattern=_HIDDEN).to_numpy()
    if not hidden.any():
        return known
    names, details = known["name"].to_pylist(), known["detail"].to_pylist()
    listed = zip(listing["name"].to_pylist(), listing["detail"].to_pylist(), strict=True)
    places = {_name_digest(name): (name, detail) for name, detail in listed}
    for at in np.flatnonzero(hidden):
        name, detail = places.get(names[at], (names[at], details[at]))
        names[at] = name
        if details[at] == _detail_digest(detail):
            details[at] = detail
    return _with_column(_with_column(known, "name", names), "detail", details)


def _name_digest(name: bytes) -> bytes:
    """Return what takes the place of a name; of that, itself."""
    if name.startswith(_HIDDEN):
        return name
    return _HIDDEN + image_digest(name).hex().encode()


def _detail_digest(detail: str | None) -> str | None:
    """Return what takes the place of the detail of a source: JSON too, for whoever reads it."""
    return None if detail is None else json.dumps({"removed": image_digest(detail.encode()).hex()})


def _to_json(generation: Generation) -> bytes:
    """Return the bytes of its file, with a checksum."""
    return files.to_json(asdict(generation), _SCHEMA, sealed=True)


def current(plans: list[pa.Table], sources: list[int]) -> pa.Table:
    """Return the sources that a store covers, from the plans of all its generations.

    Args:
        plans: of the generations, oldest first.
        sources: how many of each are to embed.

    Returns:
        The columns of a listing, and ``generation`` and ``source``: where each was embedded last.
    """
    import pyarrow as pa

    tables, gone = [], []
    for number, (plan, count) in enumerate(zip(plans, sources, strict=True)):
        embedded = plan.slice(0, count).drop_columns(list(REPLACED))
        embedded = embedded.append_column("generation", pa.array(np.full(count, number)))
        tables.append(embedded.append_column("source", pa.array(np.arange(count))))
        gone.append(replaced_sources(plan))
    whole = pa.concat_tables(tables)
    if len(plans) == 1:
        return whole
    starts = np.cumsum([0, *sources])
    live = np.ones(len(whole), bool)
    for places in gone:
        live[starts[places[:, 0]] + places[:, 1]] = False
    return whole.filter(pa.array(live))


def replaced_sources(plan: pa.Table) -> np.ndarray:
    """Return the sources whose rows a plan replaces: generation and number, int64 [N, 2]."""
    known = plan.filter(plan[REPLACED[0]].is_valid())
    return np.column_stack([known[name].to_numpy().astype(np.int64) for name in REPLACED])
