"""What indexes have of generations that are joined."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipvec.config import FaissConfig, IndexKind
from clipvec.index import build_index, open_index
from clipvec.store import (
    Folder,
    Store,
    thumbnails,
)
from tests.compact.conftest import NAME, checked
from tests.compact.grown import compacted, grow, grown
from tests.index.conftest import build_config
from tests.stores import delete


def test_an_index_that_does_not_follow(tmp_path: Path, index: IndexKind) -> None:
    """It shows the rows that it has, with their thumbnails, and none that is deleted since."""
    store = grown(tmp_path, 4)
    build_index(build_config(tmp_path, index))
    compacted(store, tmp_path)
    delete(Store.open(store.url), "day-003-2", "first-07")
    with open_index(index, NAME) as opened:
        hits = opened.query(np.ones(16, np.float32), 100)
        assert len(hits) == 30
        assert opened.get(["day-003-1", "day-003-2"]).keys() == {"day-003-1"}
        generation = {hit.id: int(hit.id.split("-")[1]) if "day" in hit.id else 0 for hit in hits}
        wanted = {hit.key: f"JPEG of {hit.id} in {generation[hit.id]}".encode() for hit in hits}
        assert opened.thumbnails(hits) == wanted
    done = build_index(build_config(tmp_path, index))
    assert (done.loaded, done.reused, done.dropped) == (1, 1, 4)
    assert checked(store, index) == []
    store = grow(Store.open(store.url), ["more"])
    compacted(store, tmp_path)
    compacted(grow(Store.open(store.url), ["most"]), tmp_path)
    with open_index(index, NAME) as opened:
        assert opened.get(["day-003-2"]) == {}, "through two joins"


def test_thumbnails_of_parts_that_were_joined_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = grown(tmp_path, 5)
    wanted = [
        (part.file, 1, f"day-{day:03}-1")
        for day, part in enumerate(Store.open(store.url).parts()[1:], 1)
    ]
    compacted(store, tmp_path)
    opened, read = list[str](), list[str]()
    open_, names = Folder.open, Folder.names
    monkeypatch.setattr(
        Folder, "open", lambda self, name: (opened.append(name), open_(self, name))[1]
    )
    monkeypatch.setattr(
        Folder, "names", lambda self, *given: (read.append(*given), names(self, *given))[1]
    )
    found = thumbnails.read(store.url, wanted)
    assert found == {
        thumbnails.key(part, id): f"JPEG of {id} in {int(id.split('-')[1])}".encode()
        for part, _, id in wanted
    }
    assert opened[:5] == [part for part, _, _ in wanted]
    assert len([name for name in opened if name.endswith(".parquet")]) == 6
    assert read == ["shard-00006"]


def test_the_index_follows(tmp_path: Path, index: IndexKind) -> None:
    store = grown(tmp_path, 4)
    build_index(build_config(tmp_path, index))
    assert compacted(store, tmp_path, index).endswith(f"with others; wrote {NAME} again")
    assert checked(store, index) == []


def test_partitions_keep_their_rows(tmp_path: Path) -> None:
    """Those that are written again later would lack them, or show them twice."""
    store, index = grown(tmp_path, 6), FaissConfig(f"{tmp_path}/index")
    partitions = [f"{NAME}--shards-{each}" for each in ("0-2", "3-4")]
    for partition in ("0-2", "3-4"):
        build_index(build_config(tmp_path, index, partition=partition))

    def held() -> list[set[str]]:
        found = []
        for name in partitions:
            with open_index(index, name) as opened:
                found.append({hit.id for hit in opened.query(np.ones(16, np.float32), 100)})
        return found

    before = held()
    assert [*map(len, before)] == [26, 6]
    told = compacted(store, tmp_path, index)
    assert told.startswith("joined 6 small generations with others; wrote ")
    assert held() == before
    store = Store.open(store.url)
    assert [store.tombstones.joins.first(shard) for shard in store.shards] == [0, 5, 3, 1]
