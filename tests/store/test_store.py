from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipvec.errors import StoreError
from tests.stores import StoreFactory


def test_marks_of_those_that_are_committed(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [3, 4], 2: [5]}, count=4)
    store.writer(1).write_part([], np.empty((0, 16)), stop=0)
    assert {shard: mark.rows for shard, mark in store.marks().items()} == {0: 7, 2: 5}
    assert list(store.marks([1, 2, 3])) == [2]
    assert [part.rows for part in store.parts()] == [3, 4, 5]
    assert [part.rows for part in store.parts([0])] == [3, 4]


@pytest.mark.parametrize("name", ["E [1]", "a*b", "{x,y}"])
def test_a_root_with_the_signs_of_patterns(
    store_factory: StoreFactory, tmp_path: Path, name: str
) -> None:
    assert list(store_factory(tmp_path / name, {0: [3]}).marks()) == [0]


def test_what_else_lies_in_a_store(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [3]})
    kept = Path(store.url, "shard-00000.bak")
    Path(store.url, "shard-00000").rename(kept)
    assert store.marks() == {}
    kept.rename(Path(store.url, "shard-00000"))
    assert list(store.marks()) == [0]


def test_a_mark_that_is_damaged(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [3]})
    Path(store.url, "shard-00000/done.json").write_text("{}")
    with pytest.raises(StoreError, match=r"done\.json is damaged .* embed shards=0 again"):
        store.marks()
