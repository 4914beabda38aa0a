from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clipvec.errors import SchemaError, StoreError
from clipvec.projection import project
from clipvec.store import DeletedRows, Entry, Rows, Store, TombstoneFolder, Tombstones
from clipvec.store.store import LivePart
from tests.stores import delete, edit, make_store, row, undo, write_shard


def ids_of(url: str) -> list[str]:
    store = Store.open(url)
    return [id for p in store.parts() for piece in store.read(p) for id in piece["id"].to_pylist()]


def part_of(store: Store, file: str) -> LivePart:
    return next(part for part in store.parts() if part.file == file)


def test_no_reader_sees_a_deleted_row(tmp_path: Path) -> None:
    store = make_store(tmp_path, {0: [5, 3], 1: [2]})
    before = ids_of(store.url)
    vectors = Rows.open(store.url).vectors(np.arange(10))
    delete(store, "0/0", "0/4", "0/6", "1/0", "1/1")
    assert ids_of(store.url) == ["0/1", "0/2", "0/3", "0/5", "0/7"]
    rows = Rows.open(store.url)
    assert (len(rows), [part.rows for part in rows.parts]) == (5, [3, 2, 0])
    numbers = np.arange(5)
    left = [before.index(id) for id in ids_of(store.url)]
    np.testing.assert_array_equal(rows.vectors(numbers), vectors[left])
    assert rows.ids(numbers).tolist() == ids_of(store.url)
    assert [vectors.tolist() for _, vectors in rows.chunks()] == [rows.vectors(numbers).tolist()]
    placed = [(start, at.tolist(), p.num_columns) for start, at, p in rows.placed(["width"])]
    assert placed == [(0, [1, 2, 3], 1), (3, [0, 2], 1)]


def test_the_projection_shows_no_deleted_row(tmp_path: Path) -> None:
    store = make_store(tmp_path, {0: [12]})
    delete(store, "0/3", "0/7")
    projection = project(Store.open(store.url))
    assert projection is not None
    assert sorted(projection.ids) == sorted(ids_of(store.url))
    assert (projection.rows, len(projection.points)) == (10, 10)


def test_entries_add_up_and_are_taken_back(tmp_path: Path) -> None:
    store = make_store(tmp_path, {0: [6]})
    first = delete(store, "0/0", "0/1", reason="why")
    second = delete(store, "0/2")
    known = Store.open(store.url).tombstones
    assert len(known) == 3
    assert known.among(f"0/{n}" for n in range(6)) == ["0/0", "0/1", "0/2"]
    assert list(known.active) == [first, second]
    assert (known.entries[first].reason, known.entries[first].rows) == ("why", 2)
    assert known.covers("shard-00000/part-00007.parquet", "0/1")
    assert not known.covers("shard-00001/part-00000.parquet", "0/1")
    undo(store, first)
    assert ids_of(store.url) == ["0/0", "0/1", "0/3", "0/4", "0/5"]
    delete(store, "0/1")
    assert ids_of(store.url) == ["0/0", "0/3", "0/4", "0/5"]


def test_an_entry_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = make_store(tmp_path, {0: [6]})
    delete(store, "0/0")
    entries, read = TombstoneFolder(store.folder), []
    monkeypatch.setattr(Entry, "from_json", counting(read))
    first = entries.read()
    assert entries.read() is first
    delete(store, "0/1")
    (Path(store.url, "tombstones") / ".20261129T120000-00000000.json.7.tmp").write_text("half")
    (Path(store.url, "tombstones") / "README.json").write_text("not ours")
    assert len(entries.read()) == 2
    assert len(read) == 2


def test_an_entry_that_was_removed_no_longer_holds(tmp_path: Path) -> None:
    """As the error of a damaged one advises; unless the whole store is gone."""
    store = make_store(tmp_path, {0: [6]})
    first, second = delete(store, "0/0"), delete(store, "0/1")
    entries = TombstoneFolder(store.folder)
    assert len(entries.read()) == 2
    Path(store.url, "tombstones", f"{first}.json").unlink()
    assert list(entries.read().entries) == [second]
    shutil.rmtree(store.url)
    with pytest.raises(StoreError, match="there is no store at"):
        entries.read()
    with pytest.raises(StoreError, match="there is no store at"):
        TombstoneFolder(store.folder).read()


def counting(read: list[str]) -> classmethod:  # type: ignore[type-arg]
    inner = Entry.from_json.__func__  # type: ignore[attr-defined]

    def from_json(cls: type[Entry], data: bytes, file: str) -> Entry:
        read.append(file)
        return inner(cls, data, file)  # type: ignore[no-any-return]

    return classmethod(from_json)


def test_a_shard_that_is_embedded_again(tmp_path: Path) -> None:
    """With other parts, a deleted id stays deleted, wherever it is in its shard."""
    store = make_store(tmp_path, {0: [5, 5], 1: [5]})
    delete(store, "0/6", "0/9", "1/1")
    shutil.rmtree(Path(store.url, "shard-00000"))
    write_shard(store, 0, [8], seed=1)
    assert [part.deleted for part in Store.open(store.url).parts()] == [("0/6",), ("1/1",)]
    assert "0/6" not in ids_of(store.url)
    assert len(ids_of(store.url)) == 7 + 4


NO_FILES: dict[str, Callable[[Path], object]] = {"a pipe": os.mkfifo, "a folder": Path.mkdir}


@pytest.mark.parametrize("how", ["flipped", "cut", "another id", "no parts", "empty", *NO_FILES])
def test_a_damaged_entry_is_refused(tmp_path: Path, how: str) -> None:
    store = make_store(tmp_path, {0: [3]})
    file = Path(store.url, "tombstones", f"{delete(store, '0/1')}.json")
    data = file.read_bytes()
    if how == "flipped":
        file.write_bytes(data.replace(b"0/1", b"0/2"))
    elif how == "cut":
        file.write_bytes(data[:-20])
    elif how == "another id":
        parts = json.loads(data)["parts"]
        parts["shard-00000/part-00000.parquet"]["ids"].append("0/2")
        edit(file, parts=parts)
    elif how in NO_FILES:
        file.unlink()
        NO_FILES[how](file)
    elif how == "no parts":
        edit(file, parts=None)
    else:
        file.write_bytes(b"")
    with pytest.raises(StoreError, match=r"tombstones/.*json is damaged \(.*delete the same rows"):
        Store.open(store.url).parts()


def test_an_entry_of_a_newer_version(tmp_path: Path) -> None:
    store = make_store(tmp_path, {0: [3]})
    edit(Path(store.url, "tombstones", f"{delete(store, '0/1')}.json"), schema_version=5)
    with pytest.raises(SchemaError, match=r"has schema 5, this clipvec reads schema 4; update"):
        Store.open(store.url).parts()


def test_the_same_entries_in_any_order() -> None:
    """Clocks that went back change the names alone."""
    part = "shard-00000/part-00000.parquet"
    one = Entry("2026-01-02T00:00:00+00:00", None, {part: DeletedRows("a" * 64, ["x"])})
    back = Entry("2026-01-01T00:00:00+00:00", None, undoes=one.name)
    assert back.name < one.name
    for entries in ([one, back], [back, one]):
        assert len(Tombstones({entry.name: entry for entry in entries})) == 0


def test_rows_of_a_deleted_part(tmp_path: Path) -> None:
    store = make_store(tmp_path, {0: [2, 2]})
    delete(store, "0/0", "0/1")
    part = part_of(Store.open(store.url), "shard-00000/part-00000.parquet")
    assert (part.rows, list(store.read(part, ["id"]))) == (0, [])
    assert [p["id"].to_pylist() for p in store.read_all(part.part)] == [["0/0", "0/1"]]
    assert row(0, 0).id == "0/0"
