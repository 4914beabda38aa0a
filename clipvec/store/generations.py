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
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipvec import files, paths
from clipvec.errors import StoreError
from clipvec.store import checksums

if TYPE_CHECKING:
    import pyarrow as pa

    from clipvec.store.folder import Folder

_SCHEMA = 1
_MEND = "update clipvec, or use the version that wrote it"
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
        names = self._names()
        return self._read(names[number : number + 1])[0] if names else self._only

    def all(self) -> list[Generation]:
        """Return all; see `newest`."""
        names = self._names()
        found = self._read(names) if names else [self._only]
        for number, generation in enumerate(found):
            first = found[number - 1].stop if number else 0
            if (generation.number, generation.first) != (number, first):
                raise StoreError(
                    f"{self._folder.path(paths.generation(generation.number))} is of shards "
                    f"{generation.first} and on, the one before ends at {first}; put the file of "
                    "each generation back"
                )
        return found

    def _names(self) -> list[str]:
        return [name for name in self._folder.names(paths.GENERATIONS) if name.endswith(".json")]

    def _read(self, names: list[str]) -> list[Generation]:
        wanted = [f"{paths.GENERATIONS}/{name}" for name in names]
        contents = self._folder.read_each(wanted)
        return [self._parse(name, contents[name]) for name in wanted]

    def _parse(self, name: str, data: bytes) -> Generation:
        file = self._folder.path(name)
        try:
            values = files.from_json(data, _SCHEMA, file, _MEND)
            found = Generation(**values)
            if min(found.number, found.first, found.count, found.sources) < 0 or not found.plan:
                raise ValueError(f"{values}")
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"{file} is damaged ({error}); put the file that was there back"
            ) from error
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
            raise StoreError(
                f"{file} is missing or damaged ({error}); put the file that was there back"
            ) from error

    def add(self, number: int, first: int, count: int, sources: int, plan: pa.Table) -> Generation:
        """Write a generation, and return it, or the one that another process wrote meanwhile.

        Raises:
            StoreError: it cannot be written.
        """
        import pyarrow.parquet as pq

        buffer = io.BytesIO()
        pq.write_table(plan, buffer, compression="zstd")
        data = buffer.getvalue()
        sha256 = checksums.sha256(data)
        mine = Generation(
            number, first, count, sources, paths.generation_plan(number, sha256), sha256
        )
        self._folder.write(mine.plan, data)
        written = files.to_json(asdict(mine), _SCHEMA)
        self._folder.create(paths.generation(number), written)
        decided = self.get(number)  # where creation is not atomic, whoever wrote last
        if decided.plan != mine.plan:
            self._folder.remove(mine.plan)
        return decided


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
