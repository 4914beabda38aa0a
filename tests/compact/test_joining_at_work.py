"""Generations are joined while others read, delete and embed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipvec import paths
from clipvec.embed import next_generation, publish
from clipvec.errors import StoreError
from clipvec.jobs.generation import of_one_generation
from clipvec.jobs.plan import Job
from clipvec.store import (
    Entry,
    Folder,
    Store,
    joining,
)
from tests.compact.grown import compacted, grow, grown, numbers, planned, shown
from tests.stores import delete, undo


def test_deleted_while_they_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deletion names the shard that was; it holds, can be taken back, and is compacted."""
    store, written = grown(tmp_path, 5), joining.finish
    names: list[str] = []

    def late(*given: object) -> None:
        if not names:
            names.append(delete(Store.open(store.url), "day-002-1"))
        written(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(joining, "finish", late)
    compacted(store, tmp_path)
    assert "day-002-1" not in shown(Store.open(store.url))
    undo(store, names[0])
    assert "day-002-1" in shown(Store.open(store.url))
    entry = Store.open(store.url).tombstones.entries[names[0]]
    store.entries.add(Entry.now("again", entry.parts))
    assert "day-002-1" not in shown(Store.open(store.url))
    assert compacted(store, tmp_path).startswith("took 1 row out of 1 part of")
    assert len(shown(Store.open(store.url))) == 34
    assert compacted(store, tmp_path) == f"nothing to compact in {store.url}"


def test_readers_that_are_at_work(tmp_path: Path) -> None:
    store = grown(tmp_path, 3)
    reader, late = Store.open(store.url), Store.open(store.url)
    parts = reader.parts()
    assert late.shards == [0, 1, 2, 3]
    compacted(store, tmp_path)
    with pytest.raises(StoreError, match=r"is no longer what was committed .*; run the same"):
        list(reader.read_all(parts[-1].part))
    with pytest.raises(StoreError, match=r"joined shards of .* after this command began; run the"):
        late.committed()


def test_an_embed_that_plans_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store, plan = grown(tmp_path, 3), joining.plan

    def late(*given: object) -> object:
        planned(Store.open(store.url), "late")
        return plan(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(joining, "plan", late)
    before = shown(store)
    assert compacted(store, tmp_path) == f"nothing to compact in {store.url}"
    assert "small generations are not joined" in caplog.text
    assert shown(Store.open(store.url)) == before
    assert numbers(store) == [0, 1, 2, 3, 4]
    monkeypatch.undo()
    assert compacted(store, tmp_path) == f"nothing to compact in {store.url}", "it is not finished"


def test_an_embed_that_sees_a_join_just_planned(tmp_path: Path) -> None:
    """It finishes it: as work of its own, the rows of the old shards would count as replaced."""
    store = grown(tmp_path, 3)
    before, join = shown(store), joining.plan(store, joining.find(store))
    with pytest.raises(StoreError, match=r"generation 4 of .* joins others; run the same command"):
        publish(store, join, np.empty((0, 2), np.int64), None)
    job = Job(0, (), (0,), store.url, cloud={"name": "local"})
    (foretold,) = of_one_generation([job], look=False)
    assert foretold.generation == 4
    assert not Store.open(store.url).tombstones.joins.generations, "nothing is written"
    asks: Any = None  # of what it does not look for
    assert next_generation(store, asks, look=False) == (join, False)
    store = Store.open(store.url)
    assert store.tombstones.joins.generations == {1, 2, 3}
    assert shown(store) == before


def test_two_joins_under_a_reader(tmp_path: Path) -> None:
    store = grown(tmp_path, 3)
    reader, late = Store.open(store.url), Store.open(store.url)
    assert reader.tombstones.published == late.tombstones.published == {1, 2, 3}
    compacted(store, tmp_path)
    compacted(grow(Store.open(store.url), ["more"]), tmp_path)
    with pytest.raises(StoreError, match=r"generation 3 was joined .* run the same command again"):
        _ = reader.shards
    with pytest.raises(StoreError, match=r"joined shards of .* run the same command again"):
        late._replaced(2)


def test_a_reader_that_lists_before_a_join(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were replaced do not come back for it."""
    store = grown(tmp_path, 2)
    store = grow(store, ["first-03"], {"first-03": (0, 3)})
    names, joined = Folder.all_names, list[bool]()

    def late(self: Folder, *given: Any) -> dict[str, bool]:
        listed = names(self, *given)
        if given == (paths.TOMBSTONES,) and not joined:
            joined.append(True)
            compacted(store, tmp_path)
        return listed

    monkeypatch.setattr(Folder, "all_names", late)
    seen = Store.open(store.url).tombstones
    assert seen.joins.generations == {1, 2, 3}
    assert seen.covers("shard-00000/part-00000.parquet", "first-03")
