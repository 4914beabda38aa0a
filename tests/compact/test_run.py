"""The bytes of deleted rows leave every file of store and index, whatever is killed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from clipvec import config, paths
from clipvec.check.run import check
from clipvec.compact.run import compact
from clipvec.config import (
    CheckConfig,
    ChromaConfig,
    CompactConfig,
    DeleteConfig,
    FaissConfig,
    IndexKind,
)
from clipvec.delete.run import delete as delete_command
from clipvec.errors import ConfigError, FingerprintError, StoreError
from clipvec.index import build_index, open_index
from clipvec.store import Row, Rows, Store, compaction
from clipvec.store.folder import Folder
from tests.index.conftest import build_config
from tests.stores import delete, flip, make_store, row, undo

NAME = "toys--toy"


@pytest.fixture(params=["chroma", "faiss"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> IndexKind:
    if request.param == "chroma":
        return ChromaConfig(f"{tmp_path}/index")
    return FaissConfig(f"{tmp_path}/index")


def named(shard: int, number: int) -> str:
    return f"image-{shard}-{number:04}"


def thumbnail(shard: int, number: int) -> bytes:
    return f"JPEG of {named(shard, number)}".encode() * 9


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Rows that a grep finds; each is its own image."""
    store = make_store(tmp_path, {}, count=2)
    rng = np.random.default_rng(0)
    for shard, parts in {0: [40, 30], 1: [40]}.items():
        writer, number = store.writer(shard), 0
        for count in parts:
            rows = [_row(shard, n) for n in range(number, number + count)]
            vectors = rng.normal(size=(count, 16))
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            number += count
            writer.write_part(rows, vectors, number, (rows[-1].uri, 1))
        writer.reject(number, named(shard, 3), f"again {named(shard, 3)}", "twice", "DuplicateId")
        writer.reject(number + 1, named(0, 3), "another shard", "cut", "Undecodable")
        writer.commit({})
    return store


def _row(shard: int, number: int) -> Row:
    made, name = row(shard, number, thumbnail(shard, number)), named(shard, number)
    values = {field: getattr(made, field) for field in Row.__slots__}
    digest = number.to_bytes(15, "big") + bytes([shard])
    own = {"id": name, "uri": f"toys.tar#{name}", "caption": f"a {name}", "digest": digest}
    return Row(**{**values, **own, "source": number})


def asked(of: Store, index: IndexKind, **changes: Any) -> CompactConfig:
    values = {
        "model": {"name": "toy"},
        "dataset": {"name": "toys"},
        "store": {"root": str(Path(of.url).parents[1])},
        "index": config.to_dict(index),
        "dry_run": False,
    }
    return config.from_dict({**values, **changes}, CompactConfig)


def files(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def grep(folder: Path, *needles: bytes) -> list[str]:
    """Return the files that hold some bytes, as they are or as Parquet reads them."""
    found = []
    for name, data in files(folder).items():
        texts = [data]
        if name.endswith(".parquet"):
            parquet = pq.ParquetFile(folder / name)
            about = [parquet.read().to_pylist(), parquet.metadata.metadata]
            groups = map(parquet.metadata.row_group, range(parquet.num_row_groups))
            texts += [repr(each).encode() for each in (*about, *(g.to_dict() for g in groups))]
        found += [name for needle in needles for text in texts if needle in text]
    return found


def live(store: Store) -> dict[str, dict[str, Any]]:
    names = store.schema().names
    pieces = Rows.open(store.url).pieces(names)
    return {row["id"]: row for _, piece in pieces for row in piece.to_pylist()}


def checked(store: Store, index: IndexKind) -> list[str]:
    asks = config.to_dict(asked(store, index)) | {"store_only": False}
    del asks["dry_run"]
    return check(config.from_dict(asks, CheckConfig)).faults


def test_no_byte_is_left(store: Store, index: IndexKind, tmp_path: Path) -> None:
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


def _deletion(store: Store, **changes: Any) -> DeleteConfig:
    values = config.to_dict(asked(store, ChromaConfig("x")))
    del values["index"]
    values |= dict.fromkeys(("ids", "where", "file", "undo", "reason"))
    values |= {"ignore_missing": False, "forever": False, "max_removed_fraction": 0.2}
    return config.from_dict({**values, **changes}, DeleteConfig)


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of the program runs after it but what closes files."""


def test_killed_at_each_step(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was written last, the same command ends as one that was never killed."""
    index = ChromaConfig(f"{tmp_path}/none")
    gone = {0: named(0, 3), 1: named(0, 69), 2: named(1, 0)}
    undo(store, delete(store, gone[0]))
    delete(store, *gone.values())
    left = live(store).keys()
    origin, writes = tmp_path / "origin", count_writes(monkeypatch)
    shutil.copytree(store.url, origin)
    compact(asked(store, index))
    wanted, steps = files(Path(store.url)), writes[0]
    assert steps > 8
    for step in range(steps):
        shutil.rmtree(store.url)
        shutil.copytree(origin, store.url)
        writes[:] = [0, step]
        with pytest.raises(Killed):
            compact(asked(store, index))
        writes[:] = [0, -1]
        assert live(store).keys() == left, f"after step {step}"
        compact(asked(store, index))
        assert files(Path(store.url)) == wanted, f"killed at step {step}"


def test_killed_and_taken_back(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part without the row, which nobody committed, is not taken for that of the shard."""
    index, writes = ChromaConfig(f"{tmp_path}/none"), count_writes(monkeypatch)
    name = delete(store, named(0, 3))
    writes[:] = [0, 1]
    with pytest.raises(Killed):
        compact(asked(store, index))
    writes[1] = -1
    undo(store, name)
    (left,) = Path(store.url).glob("shard-*/part-*-*")
    kept = tmp_path / "kept"
    shutil.copytree(store.url, kept)
    assert str(compact(asked(store, index))).startswith("nothing to compact")
    assert not left.exists()
    shutil.rmtree(store.url)
    shutil.copytree(kept, store.url)
    Path(store.url, paths.ShardPaths(0).done).unlink()
    flip(Path(store.url, paths.ShardPaths(0).part(0)), 99)
    assert Store.open(store.url).writer(0).rows == 0
    shutil.rmtree(store.url)
    shutil.copytree(kept, store.url)
    assert named(0, 3) in Store.open(store.url).writer(0).ids()


@pytest.mark.parametrize("step", range(4))
def test_killed_while_an_index_is_swapped(
    store: Store, index: IndexKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    build_index(build_config(tmp_path, index))
    delete(store, named(0, 3))
    needles = named(0, 3).encode(), thumbnail(0, 3)
    if isinstance(index, FaissConfig):
        (tmp_path / "index" / NAME / "next").mkdir()
        (tmp_path / "index" / NAME / "next" / "old.codes").write_bytes(needles[0])
    steps = [0]

    def killing(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Path, *given: Any, **options: Any) -> Any:
            if NAME in str(self) and (self.is_dir() or self.suffix == ".json"):
                steps[0] += 1
                if steps[0] == step + 1:
                    raise Killed
            return method(self, *given, **options)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killing(Path.rename))
        patched.setattr(Path, "replace", killing(Path.replace))
        patched.setattr(shutil, "rmtree", killing(shutil.rmtree))
        with contextlib.suppress(Killed):
            compact(asked(store, index))
    compact(asked(store, index))
    assert grep(tmp_path, *needles) == []
    assert checked(store, index) == []
    assert str(compact(asked(store, index))) == f"nothing to compact in {store.url}"


def test_what_writers_left(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    delete(store, named(0, 3))
    folder = Path(store.url)
    left, busy = [
        [folder / place / f".{name}.tmp" for place in ("shard-00001", paths.TOMBSTONES)]
        for name in ("left", "busy")
    ]
    for file in [*left, *busy]:
        file.write_bytes(b"half")
    for file in left:
        os.utime(file, (1, 1))
    ledger = paths.ShardPaths(1).rejects
    flip(folder / ledger, 9)
    compact(asked(store, ChromaConfig(f"{tmp_path}/none")))
    assert [file.exists() for file in [*left, *busy]] == [False, False, True, True]
    (said,) = [text for text in caplog.messages if ledger in text]
    assert said.endswith("and may name deleted rows: clipvec check says more")


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


def count_writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many files were written or removed; if the second number comes, kill there."""
    counted = [0, -1]

    def counting(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Folder, *given: Any) -> Any:
            if counted[0] == counted[1]:
                raise Killed
            counted[0] += 1
            return method(self, *given)

        return call

    for name in ("write", "remove"):
        monkeypatch.setattr(Folder, name, counting(getattr(Folder, name)))
    return counted


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
                wanted = [thumbnail(*map(int, hit.id.split("-")[1:])) for hit in hits]
                assert each.thumbnails(hits) == wanted


def test_readers_that_are_at_work(store: Store, tmp_path: Path) -> None:
    delete(store, named(0, 3))
    reader = Store.open(store.url)
    parts = reader.parts()
    first = reader.read(parts[0], ["id"], 10)
    next(first)
    compact(asked(store, ChromaConfig(f"{tmp_path}/none")))
    assert sum(map(len, first)) == 30, "the file that is open"
    again = Store.open(store.url)
    again._compared.clear()
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


def test_an_object_store(tmp_path: Path) -> None:
    store = make_store("memory://compact", {0: [20, 10]}, thumbnail=b"JPEG")
    try:
        delete(store, "0/3")
        values = {"root": "memory://compact"}
        index = ChromaConfig(f"{tmp_path}/none")
        assert compact(asked(store, index, store=values)).rows == 1
        held = Store.open(store.url)
        assert [part.rows for part in held.parts()] == [19, 10]
        assert len(held.folder.names("shard-00000")) == 3
        assert str(compact(asked(store, index, store=values))).startswith("nothing to compact")
    finally:
        store.folder._fs.rm("/compact", recursive=True)
