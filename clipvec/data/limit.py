"""The first N records of a dataset, as a dataset; the same for every kind."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from clipvec.config import HuggingFaceConfig
from clipvec.data.ranges import span
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clipvec.config import DatasetConfig
    from clipvec.data.record import Cursor, Record, Reject, WholeDataset


class LimitedDataset:
    """The first ``limit`` items of a dataset, or all of them if there are fewer.

    They are cut into shards of equal size, to one item; of a stream into whole files, the last of
    which ends at the limit. To find them, items are counted each time a dataset is opened, from
    Parquet footers and the headers of local tars. Where counting would require reading the data,
    a limit works only with a single shard.
    """

    def __init__(self, dataset: WholeDataset, config: DatasetConfig, limit: int) -> None:
        self.attributes = dataset.attributes
        self._dataset = dataset
        self._limit = limit
        self._config = config

    def identity(self) -> dict[str, str | int | None]:
        """Return the identity of the whole dataset, and the limit."""
        return {**self._dataset.identity(), "limit": self._limit}

    def num_items(self, shard: int, count: int) -> int | None:
        """Return the number of items, or None for a single shard that must be read to count."""
        if count == 1:
            return None if self._counts is None else sum(self._counts)
        return sum(len(owned) for _, _, owned in self._assign(shard, count))

    def records(
        self, shard: int, count: int, start: int = 0, cursor: Cursor | None = None
    ) -> Iterator[Record | Reject]:
        """Yield the items of a shard from ``start`` on; earlier files are not opened.

        Raises:
            ConfigError: the first items cannot be split into ``count`` shards.
            DatasetError: a source cannot be opened.
        """
        within = cursor if count == 1 else None  # a cursor in part of a file counts differently
        for number, of, owned in self._assign(shard, count):
            rest = owned[start:]
            start -= len(owned) - len(rest)
            if rest:
                yield from islice(self._dataset.records(number, of, rest.start, within), len(rest))

    def _assign(self, shard: int, count: int) -> list[tuple[int, int, range]]:
        """Return what a shard reads: shards of the whole dataset (k of n), and a range of each."""
        if count == 1:  # read from the start, so nothing needs to be counted
            return [(0, 1, range(self._limit))]
        if self._counts is None:
            raise ConfigError(
                f"dataset.limit={self._limit} cannot be split into sharding.count={count} shards: "
                f"{self._uncounted}, or set sharding.count=1"
            )
        files, total = len(self._counts), self._dataset.files
        streamed = isinstance(self._config, HuggingFaceConfig) and self._config.streaming
        if not streamed:
            rows, first, parts = span(shard, count, sum(self._counts)), 0, []
            for file, size in enumerate(self._counts):
                owned = range(max(rows.start - first, 0), min(rows.stop - first, size))
                parts += [(file, total, owned)] if owned else []
                first += size
            return parts
        if count <= files:  # to begin within a file of a stream is to read it up to there
            return [(file, total, range(self._counts[file])) for file in span(shard, count, files)]
        raise ConfigError(
            f"sharding.count={count} is more than the {files} data file(s) that hold the first "
            f"dataset.limit={self._limit} records, which are streamed; set sharding.count to "
            f"at most {files}, or dataset.streaming=false"
        )

    @cached_property
    def _counts(self) -> list[int] | None:
        """Items of each file within the limit, up to the last such file; None: unknown."""
        counts: list[int] = []
        left, total = self._limit, self._dataset.files
        for file in range(total):
            size = self._dataset.num_items(file, total)
            if size is None:
                return None
            counts.append(min(size, left))
            left -= counts[-1]
            if left == 0:
                break
        return counts

    @property
    def _uncounted(self) -> str:
        """Why there are no counts, and how to fix it."""
        if isinstance(self._config, HuggingFaceConfig):
            return "only Parquet files can be counted without reading them; write Parquet"
        return (
            "compressed and remote tars cannot be counted without reading them; "
            "name only the first tars in dataset.path"
        )
