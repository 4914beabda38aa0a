"""A FAISS index that several jobs build: each encodes some shards, the last one writes it."""

from __future__ import annotations

import errno
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from clipvec import paths
from clipvec.config import ChromaConfig, FaissConfig
from clipvec.errors import CollectionError, ConfigError, MissingPackageError
from clipvec.files import size_and_sha256
from clipvec.index import (
    forecast_of_sweep,
    open_index,
    replaced_by_sweep,
    rows,
    shards_of_sweep,
    unwritten_by_sweep,
)
from clipvec.index.backend import open_backend
from clipvec.index.faiss import backend, manifest, segments
from clipvec.store import Store
from tests.index.conftest import build_config
from tests.index.faiss.test_faiss import build, built, interrupt, lists
from tests.index.test_build import NAME, assert_equal
from tests.stores import delete, edit, flip, make_store, write_shard

SHARDS = {0: [150, 70], 1: [200], 2: [90, 60], 3: [40]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store", SHARDS, dim=32)


@pytest.fixture
def on_disk(tmp_path: Path) -> FaissConfig:
    return FaissConfig(path=str(tmp_path / "index"), factory="IVF8,RaBitQ", nprobe=8)


@pytest.fixture
def whole(store: Store, on_disk: FaissConfig) -> bytes:
    """The lists as one job writes them."""
    alone = replace(on_disk, path=f"{on_disk.path}-alone")
    build(alone)
    return lists(alone)


def files(where: FaissConfig) -> paths.FaissPaths:
    return paths.FaissPaths(Path(where.path) / NAME)


def codes(where: FaissConfig) -> list[Path]:
    return [path for each in files(where).all_encoded() for path in each.all_codes()]


@pytest.mark.parametrize("order", [("0-3",), ("3", "1", "0", "2"), ("2-3", "0-1"), (1, 0, 3, 2)])
def test_lists_are_the_same_in_any_order(
    on_disk: FaissConfig, store: Store, whole: bytes, order: tuple[object, ...]
) -> None:
    *others, last = order
    for shards in others:
        assert str(build(on_disk, shards=shards)).endswith(
            f"and the job that is the last writes the index: {on_disk.path}/{NAME}"
        )
        assert open_backend(on_disk).names() == []
    done = build(on_disk, shards=last)
    assert (done.lacking, done.rows, done.reused, done.loaded) == (0, 610, 6, 0)
    assert lists(on_disk) == whole
    assert {path.name for path in files(on_disk).folder.iterdir()} == {
        "index.json",
        built(on_disk).folder.name,
    }
    assert build(on_disk, shards=0).reused == 6


def test_a_shard_is_a_file(on_disk: FaissConfig, store: Store) -> None:
    build(on_disk, shards="0,2")
    names = [path.name for path in codes(on_disk)]
    assert names == ["shard-00000-part-00000.codes", "shard-00002-part-00000.codes"]


def test_a_large_shard_is_several_files(
    on_disk: FaissConfig, store: Store, whole: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipvec.index.faiss.writer.MOST_BYTES", 1)
    assert segments.MOST_BYTES > 1
    build(on_disk, shards=0)
    assert len(codes(on_disk)) == 2
    build(on_disk, shards="1-3")
    assert lists(on_disk) == whole


@pytest.mark.parametrize("damage", ["flipped", "cut", "gone", "nothing"])
def test_a_damaged_shard_is_encoded_again(on_disk: FaissConfig, whole: bytes, damage: str) -> None:
    build(on_disk, shards="0-2")
    file = codes(on_disk)[1]
    if damage == "flipped":
        flip(file, -1)
    else:
        data = {"cut": file.read_bytes()[:-9], "gone": b"", "nothing": b"{}\n"}[damage]
        file.write_bytes(data)
    last = build(on_disk, shards=3)
    if damage == "flipped":  # which only whoever reads it all can tell
        assert (last.loaded, last.lacking) == (1, 0)
    else:
        assert last.lacking == 1
        assert build(on_disk, shards=1).lacking == 0
    assert lists(on_disk) == whole


def test_a_job_that_was_stopped_goes_on(on_disk: FaissConfig, whole: bytes) -> None:
    build(on_disk, shards="1-3")
    for calls in (0, 1, 2):  # batches of 100 rows
        patch = interrupt("add", calls)
        with pytest.raises(KeyboardInterrupt):
            build(on_disk, shards=0)
        patch.undo()
    patch = interrupt("_gather", 0)
    with pytest.raises(KeyboardInterrupt):
        build(on_disk, shards=0)
    patch.undo()
    assert open_backend(on_disk).names() == []
    assert build(on_disk, shards=0).reused == 6
    assert lists(on_disk) == whole


def test_a_stop_on_a_full_disk_is_a_stop(
    on_disk: FaissConfig,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def write(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(segments.Segments, "write", write)
    patch = interrupt("add", 2)
    with pytest.raises(KeyboardInterrupt):
        build(on_disk, shards=0)
    patch.undo()
    assert "cannot be written ([Errno 28] No space left on device)" in caplog.text


def test_jobs_of_a_flat_index_read_no_rows(
    on_disk: FaissConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(backend, "load", load)
    assert build(replace(on_disk, factory="Flat"), shards=0).rows == 610


def test_what_is_deleted_meanwhile(on_disk: FaissConfig, store: Store) -> None:
    build(on_disk, shards="0-1")
    delete(store, "0/3", "2/5")
    assert build(on_disk, shards="2-3").lacking == 2
    assert build(on_disk, shards="0").rows == 608
    assert_equal(on_disk, Store.open(store.url))


def test_one_job_finishes_what_several_began(on_disk: FaissConfig, whole: bytes) -> None:
    build(on_disk, shards="1-2")
    done = build(on_disk)
    assert (done.reused, done.loaded) == (3, 3)
    assert lists(on_disk) == whole


def test_new_shards_of_a_published_index(on_disk: FaissConfig, tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", {0: [150], 1: [90]}, dim=32, count=4)
    build(on_disk, allow_partial=True)
    trained = built(on_disk).trained.read_bytes()
    for shard in (2, 3):
        write_shard(store, shard, [60])
    assert build(on_disk, shards="0,2").lacking == 1
    assert build(on_disk, shards="1,3").rows == 360
    assert built(on_disk).trained.read_bytes() == trained
    assert_equal(on_disk, Store.open(store.url))


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files of indexes whose checksums were computed."""
    found = []

    def noted(file: Path) -> list[object]:
        found.append(file)
        return size_and_sha256(file)

    for module in (manifest, rows):
        monkeypatch.setattr(module, "size_and_sha256", noted)
    return found


def test_one_of_several_jobs_opens_the_published_index(
    on_disk: FaissConfig, tmp_path: Path, hashed: list[Path]
) -> None:
    store = make_store(tmp_path / "store", {0: [150], 1: [90]}, dim=32, count=4)
    build(on_disk, allow_partial=True)
    folder = built(on_disk).folder
    for shard in (2, 3):
        write_shard(store, shard, [60])
    hashed.clear()
    for shard in (0, 1, 2):
        assert build(on_disk, shards=shard).lacking
    assert {file for file in hashed if file.parent == folder} == {folder / "trained.faiss"}
    assert build(on_disk, shards=3).rows == 360
    assert hashed.count(folder / "lists.bin") == 1


def test_what_a_build_by_jobs_took(on_disk: FaissConfig, store: Store) -> None:
    """All that trained and encoded, whichever of them wrote it."""
    build(on_disk, shards="0-1")
    patch = interrupt("add", 1)
    with pytest.raises(KeyboardInterrupt):
        build(on_disk, shards=2)
    patch.undo()
    (encoded,) = files(on_disk).all_encoded()
    edit(encoded.training, stats={"rows": 610, "seconds": 1000, "peak_bytes": 2**40})
    for path in codes(on_disk):
        line, data = path.read_bytes().split(b"\n", 1)
        stats = {"rows": 1, "seconds": 100, "peak_bytes": 1}
        path.write_bytes(json.dumps(json.loads(line) | {"stats": stats}).encode() + b"\n" + data)
    build(on_disk, shards="2-3")
    with open_index(on_disk) as index:
        stats = index.build_stats
    assert stats is not None
    assert (stats.rows, stats.peak_bytes) == (610, 2**40)
    assert 1300 < stats.seconds < 1360
    delete(store, "0/0")
    build(on_disk, shards="all")
    with open_index(on_disk) as index:
        assert index.build_stats is None


def test_a_sweep_is_started_where_faiss_is_not(
    on_disk: FaissConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(on_disk)
    config = build_config(Path(on_disk.path).parent / "store", on_disk, shards="0-3", rebuild=True)
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert replaced_by_sweep(config, store.url) == open_backend(on_disk).published(NAME)
    assert unwritten_by_sweep(config, store.url) == ""
    with pytest.raises(MissingPackageError, match="index=faiss needs the package faiss"):
        forecast_of_sweep(config, store.url)


def test_a_rebuild_by_jobs(on_disk: FaissConfig, store: Store, whole: bytes) -> None:
    build(on_disk, shards="all")
    before = built(on_disk).folder
    assert build(on_disk, shards="0-1", rebuild=True).lacking == 3
    assert built(on_disk).folder == before
    assert build(on_disk, shards="2-3", rebuild=True).reused == 6
    assert built(on_disk).folder != before
    assert lists(on_disk) == whole


def test_later_shards_are_left_for_later(on_disk: FaissConfig, store: Store) -> None:
    config = build_config(Path(on_disk.path).parent / "store", on_disk, shards="all")
    assert shards_of_sweep(config, store.url) == ((0, 1, 2, 3), 4)
    assert shards_of_sweep(replace(config, partition="1-2"), store.url) == ((1, 2), 4)
    assert build(on_disk, shards="0-2", num_shards=3).rows == 570
    with open_index(on_disk) as index:
        assert index.count() == 570
    assert build(on_disk).rows == 610


def test_few_rows_have_no_lists(on_disk: FaissConfig, store: Store) -> None:
    where = replace(on_disk, factory="auto")
    for shards in ("0-1", "2-3"):
        assert build(where, shards=shards).rows == 610
    assert_equal(where, store)


def test_chroma_is_filled_by_one_job(tmp_path: Path, store: Store) -> None:
    with pytest.raises(ConfigError, match=r"shards=0: one job fills an index of index=chroma; "):
        build(ChromaConfig(path=f"{tmp_path}/index"), shards=0)  # type: ignore[arg-type]


def test_a_folder_of_something_else(store: Store, on_disk: FaissConfig) -> None:
    other = files(on_disk).folder / "photo.jpg"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x")
    with pytest.raises(CollectionError, match="not empty and not a FAISS index of clipvec"):
        build(on_disk, shards=0)
