"""Deleted rows in an index: hidden at once, and taken out by the next run of index."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipvec.config import ChromaConfig, IndexConfig
from clipvec.errors import CollectionError, StoreError
from clipvec.index import build, live, open_index
from clipvec.index.build import build_index
from clipvec.index.chroma import collection
from clipvec.index.chroma.writer import CollectionWriter
from clipvec.index.filters import Comparison
from clipvec.index.verify import verify
from clipvec.store import Store, TombstoneFolder, Tombstones
from tests.index.conftest import build_config
from tests.index.test_build import assert_equal, rows_of
from tests.stores import delete, edit, make_store, row, undo
from tests.waiting import until

NAME = "toys--toy"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path, {0: [40, 30], 1: [40]})


@pytest.mark.parametrize("kind", ["folder", "disk"])
def test_a_deleted_row_is_in_no_answer(
    store: Store, tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    """Of an index that was opened before, within two seconds."""
    folder = request.getfixturevalue(kind)
    build_index(build_config(tmp_path, folder))
    vectors = rows_of(store)
    gone = [f"0/{number}" for number in range(0, 60, 2)]
    with open_index(folder, NAME) as index:
        before = index.query(vectors["0/0"], 5)
        assert before[0].id == "0/0"
        delete(store, *gone)
        until(lambda: "0/0" not in index.get(["0/0"]), seconds=2)
        for k in (1, 10, 79, 80, 200):
            hits = index.query(vectors["0/0"], k)
            assert not {hit.id for hit in hits} & set(gone)
            assert len(hits) == min(k, 80)
            ((ids, scores),) = index.nearest(vectors["0/0"][None], k)
            assert (len(ids), len(scores)) == (len(hits), len(hits))
            assert not set(ids) & set(gone)
        fish = index.query(vectors["0/0"], 100, Comparison("category", "=", "bird"))
        assert {hit.id for hit in fish} == {f"0/{n}" for n in range(60, 70, 2)} | {
            f"1/{n}" for n in range(0, 40, 2)
        }
        assert list(index.vectors(["0/0", "0/1"])) == ["0/1"]
        assert before[0].key not in index.thumbnails(before)
        assert index.count() == 110
        counted = index.facets(["category", "nice"])
        assert counted is not None
        assert counted.rows == 80
        values = counted.values["category"].sort_by("value").to_pydict()
        assert values == {"value": ["bird", "fish"], "count": [25, 55]}
        few = index.facets([], Comparison("category", "=", "bird"))
        assert few is not None
        assert few.rows == 25


def test_the_next_run_takes_them_out(store: Store, tmp_path: Path, index: IndexConfig) -> None:
    build_index(build_config(tmp_path, index))
    name = delete(store, "0/0", "0/1", "1/7")
    summary = build_index(build_config(tmp_path, index))
    assert (summary.rows, summary.deleted, summary.reused, summary.loaded) == (107, 3, 3, 0)
    assert ", 3 rows deleted; verified" in str(summary)
    assert_equal(index, Store.open(store.url))
    with open_index(index, NAME, bare=True) as opened:
        assert opened.get(["0/0", "1/7"]) == {}
        assert opened.build_stats is None
    again = build_index(build_config(tmp_path, index))
    assert (again.deleted, again.reused, again.replaced) == (0, 3, 0)

    undo(store, name)
    delete(store, "1/8")
    summary = build_index(build_config(tmp_path, index))
    assert (summary.rows, summary.deleted, summary.reused, summary.replaced) == (109, 0, 1, 2)
    assert_equal(index, Store.open(store.url))


def test_a_first_loading_leaves_them_out(
    store: Store, tmp_path: Path, folder: ChromaConfig
) -> None:
    delete(store, "0/0", *(f"1/{number}" for number in range(40)))
    summary = build_index(build_config(tmp_path, folder))
    assert (summary.rows, summary.loaded, summary.deleted) == (69, 3, 0)
    opened = Store.open(store.url)
    assert_equal(folder, opened)
    with open_index(folder, NAME) as index:
        hit = index.query(rows_of(opened)["0/5"], 1)[0]
    assert (hit.id, hit.part, hit.row) == ("0/5", "shard-00000/part-00000.parquet", 5)


def test_a_row_that_comes_back_elsewhere(tmp_path: Path, folder: ChromaConfig) -> None:
    """The id of a deleted row is another row in another shard."""
    store = make_store(tmp_path, {0: [10]}, count=2)
    build_index(build_config(tmp_path, folder, allow_partial=True))
    delete(store, "0/3")
    writer = store.writer(1)
    vectors = np.eye(1, 16, dtype=np.float32)
    writer.write_part([replace(row(1, 0), id="0/3")], vectors, 1)
    writer.commit({})
    summary = build_index(build_config(tmp_path, folder))
    assert (summary.rows, summary.loaded, summary.deleted) == (10, 1, 1)
    with open_index(folder, NAME) as index:
        assert index.get(["0/3"])["0/3"].part == "shard-00001/part-00000.parquet"
        assert index.query(vectors[0], 1)[0].id == "0/3"


def test_deleted_rows_that_stay_are_noticed(
    store: Store, tmp_path: Path, folder: ChromaConfig
) -> None:
    config = build_config(tmp_path, folder)
    build_index(config)
    delete(store, "0/0")
    known = Store.open(store.url)
    with open_index(folder, NAME, bare=True) as index:
        index._rows.delete(ids=["0/1"])  # type: ignore[attr-defined]  # so that the count is right
        with pytest.raises(CollectionError, match=r"still has rows that were deleted \(0/0\); reb"):
            verify(index, None, known, known.parts())  # type: ignore[arg-type]


def test_a_store_that_is_not_here(
    store: Store, tmp_path: Path, folder: ChromaConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once, and the deletions are known as soon as it is."""
    build_index(build_config(tmp_path, folder))
    delete(store, "0/0")
    shutil.move(store.url, f"{store.url}-elsewhere")
    caplog.set_level(logging.WARNING)
    with open_index(folder, NAME) as index:
        assert len(index.query(np.ones(16, np.float32), 5)) == 5
        assert list(index.get(["0/0"])) == ["0/0"]
        shutil.move(f"{store.url}-elsewhere", store.url)
        until(lambda: not index.get(["0/0"]), seconds=2)
    assert caplog.messages == [
        f"there is no store at {store.url}: what was deleted since the last clipvec index may be "
        "shown; if the store was moved, clipvec index tells the index where it is now"
    ]


@pytest.mark.parametrize("mount_point", [False, True])
def test_a_store_that_goes_away(
    store: Store,
    tmp_path: Path,
    folder: ChromaConfig,
    caplog: pytest.LogCaptureFixture,
    mount_point: bool,
) -> None:
    """What was deleted stays so, also where an empty mount point is left of it."""
    build_index(build_config(tmp_path, folder))
    delete(store, "0/0")
    caplog.set_level(logging.WARNING)
    with open_index(folder, NAME) as index:
        shutil.move(store.url, f"{store.url}-elsewhere")
        if mount_point:
            Path(store.url).mkdir()
        until(lambda: index.get(["0/0"]) or caplog.messages)
        assert index.get(["0/0"]) == {}
        if mount_point:
            Path(store.url).rmdir()
        shutil.move(f"{store.url}-elsewhere", store.url)
        delete(store, "0/1")
        until(lambda: not index.get(["0/1"]), seconds=2)
        assert index.get(["0/0"]) == {}
    assert caplog.messages == [
        f"there is no store at {store.url}: what is deleted from now on may be shown"
    ]


def test_a_store_that_hangs(
    store: Store, tmp_path: Path, folder: ChromaConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first query waits for a second, all others for nothing; one look at a time is asked."""
    build_index(build_config(tmp_path, folder))
    delete(store, "0/0")
    vectors = np.stack([rows_of(store)[f"1/{number}"] for number in range(6)])
    hang, looks = threading.Event(), []
    read = TombstoneFolder.read

    def stop(self: TombstoneFolder, *given: Any) -> Tombstones:
        looks.append(self)
        assert hang.wait(30)
        return read(self, *given)

    with open_index(folder, NAME) as index:
        monkeypatch.setattr(TombstoneFolder, "read", stop)
        until(lambda: index.get([]) or looks)
        start = time.monotonic()
        for _ in range(3):
            assert not any("0/0" in ids for ids, _ in index.nearest(vectors, 80))
            assert not any(
                hit.id == "0/0" for hits in index.query_many(vectors, 80) for hit in hits
            )
        assert time.monotonic() - start < 2.5
        assert len(looks) == 1
        hang.set()


def test_a_closed_index_looks_no_more(
    store: Store, tmp_path: Path, folder: ChromaConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hits have their thumbnails still."""
    build_index(build_config(tmp_path, folder))
    delete(store, "0/0")
    monkeypatch.setattr(live, "_SECONDS", 0.0)
    with open_index(folder, NAME) as index:
        hits = index.query(np.ones(16, np.float32), 5)
    assert all(map(index.thumbnails(hits).get, [hit.key for hit in hits]))


def test_damage_is_refused_at_the_start_and_said_later(
    store: Store, tmp_path: Path, folder: ChromaConfig, caplog: pytest.LogCaptureFixture
) -> None:
    build_index(build_config(tmp_path, folder))
    delete(store, "0/0")
    caplog.set_level(logging.WARNING)
    with open_index(folder, NAME) as index:
        file = Path(store.url, "tombstones", f"{delete(store, '0/1')}.json")
        edit(file, reason="another")
        until(lambda: index.get(["0/0"]) == {} and caplog.messages)
        assert "0/0" not in index.get(["0/0"])
        assert index.lost_deletions()
        delete(store, "0/2")
        until(lambda: index.get(["0/2"]) == {})
        assert sorted(index.get(["0/0", "0/1", "0/2", "0/3"])) == ["0/1", "0/3"]
        (told,) = caplog.messages
        assert told.endswith(": what it deletes may be shown")
        with pytest.raises(StoreError, match="is damaged"):
            open_index(folder, NAME)
        file.unlink()
        until(lambda: not index.get([]) and not index.lost_deletions())


def test_partitions_hide_them_too(store: Store, tmp_path: Path, folder: ChromaConfig) -> None:
    for partition in (0, 1):
        build_index(build_config(tmp_path, folder, partition=partition))
    delete(store, "0/3", "1/3")
    with open_index(folder, NAME) as index:
        assert sorted(index.get(["0/3", "0/4", "1/3"])) == ["0/4"]
        assert len(index.query(np.ones(16, np.float32), 200)) == 108


@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.parametrize("step", range(3))
def test_a_kill_while_rows_are_deleted(
    store: Store,
    tmp_path: Path,
    folder: ChromaConfig,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    undone: bool,
) -> None:
    """Before, between and after the parts, the next run goes on; also where it is undone then."""
    build_index(build_config(tmp_path, folder))
    name = delete(store, "0/0", "0/50", "1/7")
    calls: list[str] = []
    inner = CollectionWriter.delete

    def stop(self: CollectionWriter, file: str, ids: list[str]) -> None:
        calls.append(file)
        if len(calls) > step:
            raise KeyboardInterrupt
        inner(self, file, ids)

    with monkeypatch.context() as patch:
        patch.setattr(CollectionWriter, "delete", stop)
        with pytest.raises(KeyboardInterrupt):
            build_index(build_config(tmp_path, folder))
    if undone:
        undo(store, name)
    build_index(build_config(tmp_path, folder))
    assert_equal(folder, Store.open(store.url))


def test_the_map_of_a_run_has_no_row_that_was_deleted_meanwhile(
    store: Store, tmp_path: Path, folder: ChromaConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(*args: Any) -> str:
        delete(store, "0/0")
        return verify(*args)

    shown: list[Store] = []
    monkeypatch.setattr(build, "verify", check)
    build_index(build_config(tmp_path, folder), lambda _, known: shown.append(known))
    assert [known.tombstones.among(["0/0", "0/1"]) for known in shown] == [["0/0"]]


def test_more_rows_than_the_database_takes_at_once(
    store: Store, tmp_path: Path, folder: ChromaConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_index(build_config(tmp_path, folder))
    ids = [f"0/{number}" for number in range(40_000)]
    with open_index(folder, NAME, bare=True) as index:
        assert (len(index.get(ids)), len(index.vectors(ids))) == (70, 70)
        vectors = np.stack([rows_of(store)[id] for id in ("0/0", "1/0")])
        whole = index.query_many(vectors, 50)
        monkeypatch.setattr(collection, "_PAGE", 20)
        assert index.query_many(vectors, 50) == whole
