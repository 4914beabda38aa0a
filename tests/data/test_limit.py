"""What applies to the first records of every kind; each kind's own tests check which they are."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from clipvec.config import FolderConfig
from clipvec.data import Cursor, Record, Reject
from clipvec.data.limit import LimitedDataset
from clipvec.data.ranges import share, span
from tests.data.making import check_partition

CONFIG = FolderConfig(kind="folder", name="test", path="/")


class Numbers:
    """A dataset of files of given sizes with numbered records."""

    def __init__(self, sizes: list[int]) -> None:
        self.attributes: dict[str, str] = {}
        self.files = len(sizes)
        first = [sum(sizes[:file]) for file in range(len(sizes))]
        self._files = [range(at, at + size) for at, size in zip(first, sizes, strict=True)]

    def identity(self) -> dict[str, str | int]:
        return {"kind": "numbers"}

    def _owned(self, shard: int, count: int) -> list[int]:
        if count <= self.files:
            return [n for file in span(shard, count, self.files) for n in self._files[file]]
        file, part, parts = share(shard, count, self.files)
        return [self._files[file][n] for n in span(part, parts, len(self._files[file]))]

    def num_items(self, shard: int, count: int) -> int:
        return len(self._owned(shard, count))

    def records(
        self, shard: int, count: int, start: int = 0, cursor: Cursor | None = None
    ) -> Iterator[Record | Reject]:
        return (Record(f"{n}", "", b"") for n in self._owned(shard, count)[start:])


def first(sizes: list[int], limit: int) -> LimitedDataset:
    return LimitedDataset(Numbers(sizes), CONFIG, limit)  # type: ignore[arg-type] # attribute types


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    limit=st.integers(1, 40),
    count=st.integers(1, 15),
)
def test_limited_records_are_cut_into_equal_shards(
    sizes: list[int], limit: int, count: int
) -> None:
    expected = [f"{n}" for n in range(min(limit, sum(sizes)))]
    check_partition(first(sizes, limit), [count], expected)
    each = [first(sizes, limit).num_items(shard, count) or 0 for shard in range(count)]
    assert count == 1 or max(each) - min(each) <= 1


def test_identity_covers_the_whole_dataset_and_the_limit() -> None:
    assert first([5], 3).identity() == {"kind": "numbers", "limit": 3}
    assert first([5], 30).identity() == {"kind": "numbers", "limit": 30}
