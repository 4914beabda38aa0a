"""A FAISS index on disk: what is particular to it; the shared tests of indexes run on it too."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from clipvec import paths
from clipvec.check.run import check
from clipvec.config import FaissConfig
from clipvec.errors import ClipvecError, CollectionError, ConfigError
from clipvec.index import Published, filters, open_index, published
from clipvec.index.backend import open_backend
from clipvec.index.build import build_index
from clipvec.index.faiss import index as faiss_index
from clipvec.index.faiss.factory import choose, with_fewer_lists
from clipvec.index.faiss.writer import FaissWriter
from clipvec.store import Store
from tests.check.test_run import asked
from tests.index.conftest import build_config
from tests.index.test_build import NAME, assert_equal, copied, rows_of
from tests.stores import delete, flip, make_store, undo, write_shard

SHARDS = {0: [150, 70], 1: [200], 2: [90, 60]}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store", SHARDS, dim=32)


@pytest.fixture
def on_disk(tmp_path: Path) -> FaissConfig:
    return FaissConfig(path=str(tmp_path / "index"), factory="IVF8,RaBitQ", nprobe=8)


def build(where: FaissConfig, **changes: Any) -> Any:
    return build_index(build_config(Path(where.path).parent / "store", where, **changes))


def built(where: FaissConfig) -> paths.FaissBuildPaths:
    files = paths.FaissPaths(Path(where.path) / NAME)
    with open_index(where, NAME, bare=True) as index:
        return files.build(index.build_id)


def lists(where: FaissConfig) -> bytes:
    return built(where).lists.read_bytes()


def interrupt(name: str, calls: int) -> pytest.MonkeyPatch:
    """Stop the next building at a call of a method."""
    inner, left, patch = getattr(FaissWriter, name), calls, pytest.MonkeyPatch()

    def call(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return inner(*arguments)

    patch.setattr(FaissWriter, name, call)
    return patch


def test_lists_are_the_same_whatever_happened(store: Store, on_disk: FaissConfig) -> None:
    build(on_disk)
    whole = lists(on_disk)
    killed = replace(on_disk, path=f"{on_disk.path}-killed")
    for name, calls in (("add", 2), ("add", 2), ("_gather", 0)):
        patch = interrupt(name, calls)
        with pytest.raises(KeyboardInterrupt):
            build(killed)
        patch.undo()
        assert open_backend(killed).names() == []
    assert build(killed).reused == 5
    assert lists(killed) == whole
    gone = delete(store, "0/0", "1/7", "2/149")
    assert build(on_disk).deleted == 3
    assert len(lists(on_disk)) < len(whole)
    undo(store, gone)
    shutil.rmtree(Path(store.url) / "shard-00000")
    write_shard(store, 0, [100, 20], seed=1)
    assert build(on_disk).replaced == 4
    assert_equal(on_disk, Store.open(store.url))
    shutil.rmtree(Path(store.url) / "shard-00000")
    write_shard(store, 0, SHARDS[0])
    build(on_disk)
    assert lists(on_disk) == whole
    left = {path.name for path in Path(on_disk.path, NAME).iterdir()}
    assert left == {"index.json", built(on_disk).folder.name}


def test_an_interrupted_rebuild_keeps_the_old_index(store: Store, on_disk: FaissConfig) -> None:
    build(on_disk)
    before = built(on_disk).folder
    patch = interrupt("add", 2)
    with pytest.raises(KeyboardInterrupt):
        build(on_disk, rebuild=True)
    patch.undo()
    assert built(on_disk).folder == before
    assert build(on_disk).reused == 5
    assert built(on_disk).folder == before
    build(on_disk, rebuild=True)
    assert built(on_disk).folder != before
    assert not before.exists()


@pytest.mark.parametrize("name", ["trained.faiss", "lists.bin", "sizes.npy"])
def test_a_changed_byte_is_noticed(store: Store, on_disk: FaissConfig, name: str) -> None:
    build(on_disk)
    file = built(on_disk).folder / name
    flip(file, file.stat().st_size // 2)
    message = rf"{file} is not what clipvec index wrote, or was cut off; .*--rebuild"
    for _ in range(2):
        with pytest.raises(CollectionError, match=message):
            open_index(on_disk)
        with pytest.raises(CollectionError, match=message):
            build(on_disk)
    build(on_disk, rebuild=True)
    file = built(on_disk).folder / "vectors.npy"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(CollectionError, match=r"vectors.npy changed after .*--rebuild"):
        open_index(on_disk)


def test_check_compares_every_row(store: Store, on_disk: FaissConfig, tmp_path: Path) -> None:
    build(on_disk)
    config = replace(asked(tmp_path), index=on_disk)
    assert check(config).faults == []
    file = built(on_disk).folder / "vectors.npy"
    flip(file, file.stat().st_size - 1)
    assert "is damaged (vectors.npy changed" in check(config).faults[0]


def test_what_was_encoded_by_another_training_is_left_out(
    store: Store, on_disk: FaissConfig, caplog: pytest.LogCaptureFixture
) -> None:
    patch = interrupt("finish", 0)
    with pytest.raises(KeyboardInterrupt):
        build(on_disk)
    patch.undo()
    files = paths.FaissPaths(Path(on_disk.path) / NAME)
    (encoded,) = files.all_encoded()
    flip(encoded.all_codes()[0], -1)
    with caplog.at_level(logging.INFO):
        assert build(on_disk).reused == 3
    assert "1 encoded file: not of this build, and removed" in caplog.text
    other = replace(on_disk, factory="IVF8,SQ8")
    with pytest.raises(ConfigError, match=r"index.factory=IVF8,RaBitQ, not IVF8,SQ8, which"):
        build(other)
    assert build(other, rebuild=True).loaded == 5
    assert_equal(other, store)


@pytest.mark.parametrize("factory", ["IVF8,RaBitQ4", "OPQ8,IVF8,PQ8x4", "IVF8_HNSW8,SQ8", "Flat"])
def test_other_factories(store: Store, on_disk: FaissConfig, factory: str) -> None:
    where = replace(on_disk, factory=factory)
    assert build(where).verified == "100 of 100 rows found by their own vectors"
    with open_index(where) as index:
        assert index.settings["factory"] == factory
        assert index.capabilities.exact == (factory == "Flat")
        assert index.query(rows_of(store)["1/3"], 570)[0].id == "1/3"


@pytest.mark.parametrize("text", ["stars>=2", "uri=toys-1.tar#7", "width>9999", "category=bird"])
def test_a_filter_by_lists(
    store: Store, on_disk: FaissConfig, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """By lists and a bitmap, the same rows as by comparing all that are admitted."""
    build(on_disk)
    vector = np.random.default_rng(3).normal(size=32).astype(np.float32)
    with open_index(replace(on_disk, nprobe=1, candidates=1)) as index:
        where = filters.parse([text], index.attributes)
        exact = index.query(vector, 1000, where)
        monkeypatch.setattr(faiss_index, "_FEW", 0)
        assert index.query(vector, 1000, where) == exact
    with open_index(on_disk) as index:
        assert index.query(vector, 10, where) == exact[:10]
        assert index.query_many(vector[None], 570)[0] == index.query(vector, 1000)


def test_search_settings_stay(store: Store, on_disk: FaissConfig) -> None:
    where = replace(on_disk, nprobe=None)
    build(where)
    with open_index(where, bare=True) as index:
        assert index.settings == {"factory": "IVF8,RaBitQ", "nprobe": 64, "candidates": 200}
        index.set_search_settings({"nprobe": 2, "candidates": 50})
        with pytest.raises(ConfigError, match="only nprobe and candidates can change"):
            index.set_search_settings({"ef_search": 2})
    delete(store, "0/0")
    build(where)
    for given, nprobe in ((where, 2), (on_disk, 8)):
        with open_index(given) as index:
            assert index.settings == {
                **{"factory": "IVF8,RaBitQ", "nprobe": nprobe, "candidates": 50}
            }


def test_another_build_is_noticed(store: Store, on_disk: FaissConfig) -> None:
    for partition in (0, 1):
        build(on_disk, partition=partition)

    def seen() -> tuple[Published, Published]:
        return published(on_disk, NAME), published(on_disk, f"{NAME}--shards-0")

    whole, part = seen()
    build(on_disk, partition=1)
    assert seen() == (whole, part)
    delete(store, "1/0")
    build(on_disk, partition=1)
    assert seen()[0] != whole
    assert seen()[1] == part
    with open_index(on_disk, f"{NAME}--shards-0") as index:
        index.set_search_settings({"nprobe": 2})
    assert seen()[1] != part


def test_settings_are_of_the_build_that_was_opened(store: Store, on_disk: FaissConfig) -> None:
    build(on_disk)
    with open_index(on_disk, bare=True) as index:
        with (
            open_backend(on_disk).exclusive(NAME),
            pytest.raises(CollectionError, match="is being filled by another command"),
        ):
            index.set_search_settings({"nprobe": 2})
        delete(store, "0/0")
        build(on_disk)
        with pytest.raises(CollectionError, match="was built again since it was opened"):
            index.set_search_settings({"nprobe": 2})


def test_no_build_is_removed_while_none_is_known(store: Store, on_disk: FaissConfig) -> None:
    build(on_disk)
    manifest = paths.FaissPaths(Path(on_disk.path) / NAME).manifest
    for fault in ("{", '{"schema_version": 9}'):
        before, right = built(on_disk).folder, manifest.read_text()
        manifest.write_text(fault)
        with pytest.raises(ClipvecError, match="--rebuild"):
            build(on_disk)
        assert before.is_dir()
        manifest.write_text(right)
        assert build(on_disk).reused == 5
        manifest.write_text(fault)
        (manifest.parent / "next").mkdir()
        assert build(on_disk, rebuild=True).loaded == 5
        left = {path.name for path in manifest.parent.iterdir()}
        assert left == {"index.json", built(on_disk).folder.name}


def test_lists_that_cannot_be_read(
    store: Store, on_disk: FaissConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(on_disk)
    built(on_disk).sizes.write_bytes(b"no array")
    monkeypatch.setattr("clipvec.index.faiss.manifest.Manifest.check", lambda *_: None)
    with pytest.raises(CollectionError, match=r"cannot be read \(.*; run the same command again"):
        open_index(on_disk)


@pytest.mark.parametrize(
    ("factory", "fewer"),
    [("OPQ8,IVF8,PQ8x4", "OPQ8,IVF4,PQ8x4"), ("IVF1,SQ8", "IVF1,SQ8"), ("Flat", "Flat")],
)
def test_the_hint_halves_the_lists_alone(factory: str, fewer: str) -> None:
    assert with_fewer_lists(factory) == fewer


def test_an_id_in_two_shards_is_named(store: Store, on_disk: FaissConfig) -> None:
    make_store(Path(on_disk.path).parent / "twice", {0: [20], 1: [20]})
    twice = Store.open(f"{Path(on_disk.path).parent}/twice/toys/toy")
    copied(twice)
    config = build_config(Path(on_disk.path).parent / "twice", on_disk)
    message = r"the id 0/\d+ is in shard-00000/part-00000.parquet and in shard-00001/part-00000"
    for _ in range(2):
        with pytest.raises(CollectionError, match=message):
            build_index(config)
    assert open_backend(on_disk).names() == []


def test_no_rows_are_left(store: Store, on_disk: FaissConfig) -> None:
    build(on_disk)
    name = delete(store, *rows_of(store))
    assert build(on_disk).verified == "empty"
    with open_index(on_disk) as index:
        assert index.count() == 0
        assert index.query(np.ones(32, np.float32), 3) == []
        assert index.get(["0/0"]) == {}
        assert index.sample(5).shape == (0, 32)
        assert index.query(np.ones(32, np.float32), 3, filters.Comparison("stars", "==", 2)) == []
    undo(store, name)
    assert build(on_disk).rows == 570
    assert_equal(on_disk, store)


@pytest.mark.parametrize(
    ("given", "rows", "dim", "factory"),
    [
        ("auto", 50_000, 512, "Flat"),
        ("auto", 200_000, 512, "IVF2048,RaBitQ"),
        ("auto", 10_000_000, 512, "IVF16384_HNSW32,RaBitQ"),
        ("IVF4096,RaBitQ", 4095, 512, "Flat"),
        ("IVF4096,RaBitQ", 4096, 512, "IVF4096,RaBitQ"),
    ],
)
def test_the_kind_follows_the_rows(given: str, rows: int, dim: int, factory: str) -> None:
    assert choose(given, rows, dim) == factory


def test_a_small_index_that_grows(
    store: Store, on_disk: FaissConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = replace(on_disk, factory="auto")
    build(where)
    with open_index(where) as index:
        assert index.settings == {"factory": "Flat"}
    monkeypatch.setattr("clipvec.index.faiss.factory.FEW", 0)
    build(where)
    with open_index(where) as index:
        assert index.settings["factory"] == "IVF8,RaBitQ"
    assert_equal(where, store)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("HNSW32", "index=faiss takes auto, Flat, or inverted lists of codes"),
        ("IVF8,PQ8x4fs", "FastScan kinds keep no lists on disk"),
        ("IVF8,SQ8,RFlat", "it ranks again by itself, without RFlat"),
        ("IVF0,SQ8", "IVF0,SQ8"),
        ("IVF8,Bogus", "index.factory=IVF8,Bogus with D = 32: FAISS says: "),
    ],
)
def test_what_cannot_be_built(
    store: Store, on_disk: FaissConfig, factory: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        build(replace(on_disk, factory=factory))


def test_two_commands_at_once(store: Store, on_disk: FaissConfig) -> None:
    with (
        open_backend(on_disk).exclusive(NAME),
        pytest.raises(CollectionError, match="is being filled by another command, which holds"),
    ):
        build(on_disk)


def test_an_old_faiss(store: Store, on_disk: FaissConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    build(on_disk)
    monkeypatch.setattr(faiss, "__version__", "1.9.0.post1")
    for command in (open_index, build):
        with pytest.raises(ConfigError, match=r"faiss-cpu 1.15 or later, not 1.9.0.post1; run: p"):
            command(on_disk)


def test_a_folder_of_something_else(store: Store, on_disk: FaissConfig) -> None:
    other = Path(on_disk.path) / NAME / "photo.jpg"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"x")
    for rebuild in (False, True):
        with pytest.raises(CollectionError, match="not empty and not a FAISS index of clipvec"):
            build(on_disk, rebuild=rebuild)
    assert other.read_bytes() == b"x"
