"""The first records of a dataset, as a dataset of so many: the same for every kind."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from clipvec.config import HuggingFaceConfig
from clipvec.data.ranges import share, span
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clipvec.config import DatasetConfig
    from clipvec.data.record import Cursor, Record, Reject, WholeDataset


class LimitedDataset:
    """The first ``limit`` items of a dataset, or all of them where there are fewer.

    The files in which these items lie are cut as if there were no others, and as if the last of
    them ended at the limit. To know which they are, their items are counted, each time that a
    dataset is opened: from footers of Parquet and headers of tars on this machine. What only
    reading would count can be limited in a single shard alone.
    """

    def __init__(self, dataset: WholeDataset, config: DatasetConfig, limit: int) -> None:
        self.attributes = dataset.attributes
        self._dataset = dataset
        self._limit = limit
        self._streamed = isinstance(config, HuggingFaceConfig) and config.streaming

    def identity(self) -> dict[str, str | int | None]:
        """Return the identity of the whole dataset, and the limit."""
        return {**self._dataset.identity(), "limit": self._limit}

    def num_items(self, shard: int, count: int) -> int | None:
        """Return the number of items, or None in a single shard that only reading would count."""
        if count == 1:
            return None if self._counts is None else sum(self._counts)
        return sum(len(owned) for _, _, owned in self._assign(shard, count))

    def records(
        self, shard: int, count: int, start: int = 0, cursor: Cursor | None = None
    ) -> Iterator[Record | Reject]:
        """Yield the items of a shard from ``start`` on; whole files before it are not opened.

        Raises:
            ConfigError: the first items cannot be cut into ``count`` shards.
            DatasetError: a source cannot be opened.
        """
        whole = cursor if count == 1 else None  # a cursor in a part of a file says another number
        for number, of, owned in self._assign(shard, count):
            rest = owned[start:]
            start -= len(owned) - len(rest)
            if rest:
                yield from islice(self._dataset.records(number, of, rest.start, whole), len(rest))

    def _assign(self, shard: int, count: int) -> list[tuple[int, int, range]]:
        """Return what a shard reads: shards of the whole dataset (k of n), and where in each."""
        if count == 1:  # read from the first item on, nothing needs to be counted
            return [(0, 1, range(self._limit))]
        if self._counts is None:
            raise ConfigError(
                f"dataset.limit={self._limit} cannot be cut into sharding.count={count} shards: "
                f"{self._uncounted}, or set sharding.count=1"
            )
        files, whole = len(self._counts), self._dataset.files
        if count <= files:
            return [(file, whole, range(self._counts[file])) for file in span(shard, count, files)]
        if self._streamed:
            raise ConfigError(
                f"sharding.count={count} is more than the {files} data file(s) that hold the first "
                f"dataset.limit={self._limit} records, which are streamed; set sharding.count to "
                f"at most {files}, or dataset.streaming=false"
            )
        file, part, parts = share(shard, count, files)
        return [(file, whole, span(part, parts, self._counts[file]))]

    @cached_property
    def _counts(self) -> list[int] | None:
        """The first items in each file, up to the last file that holds any; None: not known."""
        counts: list[int] = []
        left, whole = self._limit, self._dataset.files
        for file in range(whole):
            size = self._dataset.num_items(file, whole)
            if size is None:
                return None
            counts.append(min(size, left))
            left -= counts[-1]
            if left == 0:
                break
        return counts

    @property
    def _uncounted(self) -> str:
        """Why there are no counts, and the mend."""
        if self._streamed:
            return (
                "of a stream only Parquet files tell their rows without being read; "
                "set dataset.streaming=false"
            )
        return (
            "compressed tars, and tars that are not on this machine, do not tell their records "
            "without being read; name only the first tars in dataset.path"
        )
