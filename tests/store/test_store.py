from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clipvec.errors import SchemaError, StoreError
from clipvec.store import Store
from tests.stores import StoreFactory


def test_markers_of_those_that_are_committed(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [3, 4], 2: [5]}, count=4)
    store.writer(1).write_part([], np.empty((0, 16)), stop=0)
    assert {shard: marker.rows for shard, marker in store.committed().items()} == {0: 7, 2: 5}
    assert list(store.committed([1, 2, 3])) == [2]
    assert [part.rows for part in store.parts()] == [3, 4, 5]
    assert [part.rows for part in store.parts([0])] == [3, 4]


@pytest.mark.parametrize("name", ["E [1]", "a*b", "{x,y}"])
def test_a_root_with_the_signs_of_patterns(
    store_factory: StoreFactory, tmp_path: Path, name: str
) -> None:
    assert list(store_factory(tmp_path / name, {0: [3]}).committed()) == [0]


def test_what_else_lies_in_a_store(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [3]})
    kept = Path(store.url, "shard-00000.bak")
    Path(store.url, "shard-00000").rename(kept)
    assert store.committed() == {}
    kept.rename(Path(store.url, "shard-00000"))
    assert list(store.committed()) == [0]


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1}'])
def test_a_marker_that_is_damaged(store_factory: StoreFactory, tmp_path: Path, text: str) -> None:
    store = store_factory(tmp_path, {0: [3]})
    Path(store.url, "shard-00000/done.json").write_text(text)
    with pytest.raises(StoreError, match=r"done\.json is damaged .* embed shards=0 again"):
        store.committed()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (None, "has no schema number, this clipvec reads schema 2; remove it and embed shards=0"),
        (0, "has schema 0, this clipvec reads schema 2; remove it and embed shards=0 again"),
        (3, "has schema 3, this clipvec reads schema 2; update clipvec, or remove it and embed"),
    ],
)
def test_a_marker_of_another_version(
    store_factory: StoreFactory, tmp_path: Path, number: int | None, message: str
) -> None:
    store = store_factory(tmp_path, {0: [3]})
    file = Path(store.url, "shard-00000/done.json")
    values = json.loads(file.read_text())
    assert values["schema_version"] == 2
    del values["schema_version"]
    file.write_text(json.dumps(values if number is None else {**values, "schema_version": number}))
    with pytest.raises(SchemaError) as error:
        store.committed()
    assert str(error.value).startswith(f"{file} {message}")


def test_a_store_of_another_version(store_factory: StoreFactory, tmp_path: Path) -> None:
    store = store_factory(tmp_path, {0: [3]})
    file = Path(store.url, "store.json")
    values = json.loads(file.read_text())
    file.write_text(json.dumps({**values, "schema_version": 2}))
    with pytest.raises(SchemaError) as error:
        Store.open(store.url)
    assert str(error.value) == (
        f"{file} has schema 2, this clipvec reads schema 3; use the version of clipvec that made "
        "the store, or another store.root"
    )
