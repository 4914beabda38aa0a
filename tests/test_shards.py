from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipvec import shards
from clipvec.errors import ShardSpecError


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (7, (7,)),
        ("7", (7,)),
        ("0-3", (0, 1, 2, 3)),
        ("0-2,20", (0, 1, 2, 20)),
        (["0-2", 20], (0, 1, 2, 20)),
        ("[0-2,20]", (0, 1, 2, 20)),
        ("3,1,1-2", (1, 2, 3)),
        (" 4 - 4 ".replace(" ", ""), (4,)),
        ("all", tuple(range(100))),
    ],
)
def test_parse(spec: object, expected: tuple[int, ...]) -> None:
    assert shards.parse(spec, 100) == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("9-0", "shards='9-0' runs backwards; write shards=0-9"),
        ("0-100", "shards='0-100' names shard 100, but sharding.count=100: allowed are 0-99"),
        ("abc", "shards='abc' is not a shard specification (allowed: 7, 0-99, '[0-9,20]' or all)"),
        ("-1", "is not a shard specification"),
        (-1, "is not a shard specification"),
        ("", "is not a shard specification"),
        ([], "shards=[] names no shard"),
        (None, "shards=None is not a shard specification"),
        (1.5, "shards=1.5 is not a shard specification"),
        (True, "shards=True is not a shard specification"),
    ],
)
def test_invalid_specifications_are_refused(spec: object, message: str) -> None:
    with pytest.raises(ShardSpecError) as error:
        shards.parse(spec, 100)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@given(st.sets(st.integers(0, 999), min_size=1))
def test_format_is_the_inverse_of_parse(numbers: set[int]) -> None:
    assert shards.parse(shards.format(numbers), 1000) == tuple(sorted(numbers))


def test_format_is_short() -> None:
    assert shards.format([5, 0, 1, 2]) == "0-2,5"
    assert shards.format(range(100)) == "0-99"
    assert shards.format([]) == ""


@pytest.mark.parametrize(
    ("count", "unit", "sizes"),
    [
        (1, 1, [7]),
        (2, 1, [4, 3]),
        (3, 1, [3, 2, 2]),
        (7, 1, [1, 1, 1, 1, 1, 1, 1]),
        (1, 4, [7]),
        (2, 4, [4, 3]),
        (2, 2, [4, 3]),
        (3, 2, [4, 2, 1]),
    ],
)
def test_split(count: int, unit: int, sizes: list[int]) -> None:
    groups = shards.split((0, 2, 4, 6, 8, 10, 12), count, unit)
    assert [len(group) for group in groups] == sizes
    assert [shard for group in groups for shard in group] == [0, 2, 4, 6, 8, 10, 12]
