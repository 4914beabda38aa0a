"""The bytes of deleted rows leave every file of store and index."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipvec import config, paths
from clipvec.compact.run import compact
from clipvec.config import (
    ChromaConfig,
    DeleteConfig,
    FaissConfig,
    IndexKind,
)
from clipvec.delete import select
from clipvec.delete.run import delete as delete_command
from clipvec.errors import ConfigError, FingerprintError, StoreError
from clipvec.index import build_index, open_index
from clipvec.store import Store, compaction, tombstones
from tests.compact.conftest import NAME, asked, checked, files, grep, live, named, thumbnail
from tests.compact.grown import grown
from tests.index.conftest import build_config
from tests.stores import delete, make_store, undo


def test_no_byte_is_left(
    store: Store, index: IndexKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = build_config(tmp_path, index)
    build_index(command)
    gone = [(0, 3), (0, 39), (1, 3)]
    needles = [needle for at in gone for needle in (named(*at).encode(), thumbnail(*at))]
    entry = delete(store, *(named(*at) for at in gone), reason="asked for")
    before = live(store)
    build_index(command)
    assert len(grep(Path(store.url), *needles)) >= 6
    if isinstance(index, ChromaConfig):
        assert grep(tmp_path / "index", *needles), "what Chroma deletes stays in its files"
    dry = compact(asked(store, index, dry_run=True))
    assert str(dry) == (
        f"would take 3 rows out of 2 parts of {store.url}; would write {NAME} again without them"
    )
    kept = files(Path(store.url))
    done = compact(asked(store, index))
    assert (done.rows, done.parts, done.indexes) == (3, 2, [NAME])
    assert done.bytes > 500
    assert grep(tmp_path, *needles) == []
    assert live(store) == before
    assert checked(store, index) == []
    with open_index(index, NAME) as opened:
        assert opened.count() == 107
        assert opened.get([named(*at) for at in gone]) == {}
        with monkeypatch.context() as patched:
            patched.setattr(tombstones, "id_digest", None)  # too slow for each row of an index
            counted = opened.facets(["category"])
        assert counted is not None
        assert counted.rows == 107
    same = [name for name, data in files(Path(store.url)).items() if kept.get(name) == data]
    assert "shard-00000/part-00001.parquet" in same, "it has no deleted row"
    kept = files(Path(store.url))
    assert str(compact(asked(store, index))) == f"nothing to compact in {store.url}"
    assert files(Path(store.url)) == kept
    with pytest.raises(ConfigError, match=rf"^undo={entry}: 3 rows of it are in no file any more"):
        delete_command(_deletion(store, undo=entry))
    assert delete_command(_deletion(store, ids=[named(0, 3)])).endswith(
        "no row to delete; nothing was changed"
    )


def _deletion(of: Store, **changes: Any) -> DeleteConfig:
    values = config.to_dict(asked(of, ChromaConfig("x")))
    del values["index"]
    values |= dict.fromkeys(("ids", "where", "file", "undo", "reason"))
    values |= {"ignore_missing": False, "forever": False, "max_removed_fraction": 0.2}
    return config.from_dict({**values, **changes}, DeleteConfig)


def test_a_shard_that_is_embedded_meanwhile(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever removed a marker is not contradicted by one that is written after it."""
    delete(store, named(0, 3), named(1, 3))
    marker, written = Path(store.url, paths.ShardPaths(0).done), compaction.write

    def late(store: Store, of: Any) -> Any:
        found = written(store, of)
        marker.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(compaction, "write", late)
    assert compact(asked(store, ChromaConfig(f"{tmp_path}/none"))).rows == 1
    assert not marker.exists()


def test_an_index_that_does_not_follow(store: Store, tmp_path: Path) -> None:
    """An index that compact was not told of shows no deleted row, and finds all thumbnails."""
    other = FaissConfig(f"{tmp_path}/other")
    build_index(build_config(tmp_path, other))
    delete(store, named(0, 3), named(0, 20))
    with open_index(other, NAME) as running:
        compact(asked(store, ChromaConfig(f"{tmp_path}/none")))
        with open_index(other, NAME) as opened:
            for each in (running, opened):
                hits = each.query(np.ones(16, np.float32), 200)
                assert len(hits) == 108
                assert each.get([named(0, 3), named(0, 4)]).keys() == {named(0, 4)}
                wanted = {hit.key: thumbnail(*map(int, hit.id.split("-")[1:])) for hit in hits}
                assert each.thumbnails(hits) == wanted


def test_readers_that_are_at_work(store: Store, tmp_path: Path) -> None:
    delete(store, named(0, 3))
    reader = Store.open(store.url)
    parts = reader.parts()
    first = reader.read(parts[0], ["id"], 10)
    next(first)
    compact(asked(store, ChromaConfig(f"{tmp_path}/none")))
    assert sum(map(len, first)) == 30, "the file that is open"
    with pytest.raises(
        StoreError, match=r"part-00000.parquet is no longer what was committed .*; run "
    ):
        list(reader.read_all(parts[0].part))


def test_of_two_commands_one_waits(store: Store, tmp_path: Path) -> None:
    name = delete(store, named(0, 3))
    index = ChromaConfig(f"{tmp_path}/none")
    busy = rf"clipvec compact is at work on {store.url}, and holds .*; wait for it"
    with compaction.exclusive(store):
        with pytest.raises(StoreError, match=busy):
            compact(asked(store, index))
        with pytest.raises(StoreError, match=busy):
            delete_command(_deletion(store, undo=name))
    assert compact(asked(store, index)).rows == 1


def test_a_store_that_cannot_be_written(store: Store, tmp_path: Path) -> None:
    """Here, as root may write anywhere, something else has the name of the lock."""
    name = delete(store, named(0, 3))
    index, lock = ChromaConfig(f"{tmp_path}/none"), Path(store.url, paths.COMPACT_LOCK)
    lock.mkdir()
    for command in (
        lambda: compact(asked(store, index)),
        lambda: delete_command(_deletion(store, undo=name)),
    ):
        with pytest.raises(StoreError, match=rf"^{lock}: .*; .*run") as error:
            command()
        assert "\n" not in str(error.value)
    lock.rmdir()
    compact(asked(store, index, dry_run=True))
    delete_command(_deletion(store, undo=name, dry_run=True))
    assert not lock.exists()


def test_a_deletion_that_is_taken_back_meanwhile(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an object store, where there is no lock."""
    name, written = delete(store, named(0, 3)), compaction.write

    def late(store: Store, marker: Any) -> Any:
        found = written(store, marker)
        if not Store.open(store.url).tombstones.entries.keys() - {name}:
            undo(store, name)
        return found

    monkeypatch.setattr(compaction, "write", late)
    assert compact(asked(store, ChromaConfig(f"{tmp_path}/none"))).rows == 0
    assert len(live(store)) == 110
    assert checked(store, ChromaConfig(f"{tmp_path}/none")) == []


def test_a_deletion_meanwhile(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the shard that it is of is written again."""
    delete(store, named(0, 3), named(1, 3))
    written, shards = compaction.write, []

    def late(store: Store, marker: Any) -> Any:
        shards.append(marker.shard)
        found = written(store, marker)
        if shards == [0, 1]:
            delete(Store.open(store.url), named(1, 4))
        return found

    monkeypatch.setattr(compaction, "write", late)
    assert compact(asked(store, ChromaConfig(f"{tmp_path}/none"))).rows == 3
    assert shards == [0, 1, 1]
    assert len(list(Path(store.url).glob("shard-*/part-*-*"))) == 2


def test_compacted_while_rows_are_chosen(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deletion names the parts that are committed, by which readers find its rows at once."""
    delete(store, named(0, 3))
    by_ids = select.by_ids

    def late(*given: Any) -> Any:
        found = by_ids(*given)
        compact(asked(store, ChromaConfig(f"{tmp_path}/none")))
        return found

    monkeypatch.setattr(select, "by_ids", late)
    said = delete_command(_deletion(store, ids=[named(0, 4)]))
    assert said.startswith("deleted 1 row of ")
    held = Store.open(store.url)
    (marker,) = held.committed([0]).values()
    assert held.tombstones.of_parts("shard-00000", marker.parts) is not None
    assert len(live(store)) == 108


def test_all_rows_of_a_shard(store: Store, index: IndexKind, tmp_path: Path) -> None:
    build_index(build_config(tmp_path, index))
    delete(store, *(named(1, number) for number in range(40)))
    assert compact(asked(store, index)).rows == 40
    assert checked(store, index) == []
    assert len(live(store)) == 70


def test_an_index_of_another_store(store: Store, tmp_path: Path) -> None:
    """It is refused before anything is changed."""
    index = ChromaConfig(f"{tmp_path}/index")
    make_store(tmp_path / "second", {0: [20]}, weights="v" * 64)
    build_index(build_config(tmp_path / "second", index))
    delete(store, named(0, 3))
    kept = files(Path(store.url))
    with pytest.raises(FingerprintError, match="to replace the index by one of this store"):
        compact(asked(store, index))
    assert files(Path(store.url)) == kept | {paths.COMPACT_LOCK: b""}


def test_a_bucket(tmp_path: Path, bucket: None) -> None:
    """There the lock is an object: of two commands one is refused, and says who is at work."""
    store = grown("s3://photos/store", 3)
    url, index = store.url, ChromaConfig(f"{tmp_path}/none")
    name, before = delete(store, "first-03"), len(live(store))
    command = asked(store, index, store={"root": "s3://photos/store"})
    busy = (
        rf"^clipvec compact is at work on {url}, and holds {url}/{paths.COMPACT_LOCK} \(\S+, "
        r"process \d+, .* UTC\); wait for it, or, if it was killed, remove that object$"
    )
    with compaction.exclusive(store):
        for refused in (
            lambda: compact(command),
            lambda: delete_command(
                _deletion(store, undo=name, store={"root": "s3://photos/store"})
            ),
        ):
            with pytest.raises(StoreError, match=busy):
                refused()
    with ThreadPoolExecutor(4) as all:
        taken = [*all.map(lambda n: store.folder.create("once", b"%d" % n), range(4))]
    assert sum(taken) == 1
    done = compact(command)
    assert (done.rows, done.generations) == (1, 3)
    held = Store.open(url)
    assert held.folder.names() == ["once", "store.json"]
    assert [part.rows for part in held.parts()] == [19, 9]
    assert len(live(held)) == before
    assert str(compact(command)).startswith("nothing to compact")
