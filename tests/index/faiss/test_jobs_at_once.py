"""A FAISS index that several commands build at once: what one reads, no other one changes."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipvec.config import FaissConfig
from clipvec.errors import ClipvecError, CollectionError, ConfigError
from clipvec.index import forecast_of_sweep, remove_leftovers
from clipvec.index.backend import open_backend
from clipvec.index.faiss import lists as faiss_lists
from clipvec.index.faiss.forecast import memory_bytes
from clipvec.index.faiss.segments import Segments
from clipvec.index.faiss.writer import FaissWriter
from clipvec.lock import log
from clipvec.store import Store
from tests.index.conftest import build_config
from tests.index.faiss.test_faiss import build, built, interrupt, lists
from tests.index.faiss.test_shards import SHARDS, codes, files
from tests.index.test_build import NAME, assert_equal
from tests.stores import make_store, write_shard


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return make_store(tmp_path / "store", SHARDS, dim=32)


@pytest.fixture
def on_disk(tmp_path: Path) -> FaissConfig:
    return FaissConfig(path=str(tmp_path / "index"), factory="IVF8,SQ8", nprobe=8)


class Other:
    """Another command, which starts within this one, and goes on when it waits for it."""

    def __init__(self, run: Callable[[], Any]) -> None:
        self.outcome: Any = None
        self.waited = False
        self._run, self._waits = run, threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start it once, and return when it ends, or waits."""
        if self._thread is not None:
            return
        handler, level = logging.Handler(), log.level
        handler.emit = lambda record: self._waits.set()  # type: ignore[method-assign]
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        self._thread = threading.Thread(target=self._outcome)
        self._thread.start()
        while self._thread.is_alive() and not self._waits.wait(0.01):
            pass
        log.removeHandler(handler)
        log.setLevel(level)
        self.waited = self._waits.is_set()

    def end(self) -> Any:
        """Return what it returned."""
        assert self._thread is not None
        self._thread.join()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def _outcome(self) -> None:
        try:
            self.outcome = self._run()
        except ClipvecError as error:
            self.outcome = error


def within(patch: pytest.MonkeyPatch, owner: type, name: str, run: Callable[[], Any]) -> Other:
    """Start a command within the next call of a method."""
    inner, other = getattr(owner, name), Other(run)

    def call(*arguments: Any) -> Any:
        other.start()
        return inner(*arguments)

    patch.setattr(owner, name, call)
    return other


def test_a_rebuild_that_begins_while_lists_are_written(
    on_disk: FaissConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store(tmp_path / "store", {0: [150], 1: [90]}, dim=32, count=4)
    build(on_disk, allow_partial=True)
    write_shard(store, 2, [60])
    write_shard(store, 3, [60])
    build(on_disk, shards=2)
    other = within(
        monkeypatch, FaissWriter, "_gather", lambda: build(on_disk, shards="2-3", rebuild=True)
    )
    assert build(on_disk, shards=3).rows == 360
    first = built(on_disk).trained.read_bytes()
    assert_equal(on_disk, store)
    assert other.end().lacking == 2
    assert other.waited
    assert build(on_disk, shards="0-1", rebuild=True).rows == 360
    assert built(on_disk).trained.read_bytes() != first
    alone = replace(on_disk, path=f"{on_disk.path}-alone")
    build(alone)
    assert lists(on_disk) == lists(alone)


@pytest.mark.parametrize("factory", ["IVF4,SQ8", "IVF16,SQ8", "IVF8,SQ4"])
@pytest.mark.parametrize("place", ["_check_ids", "_gather"])
def test_another_factory_while_lists_are_written(
    on_disk: FaissConfig, store: Store, monkeypatch: pytest.MonkeyPatch, factory: str, place: str
) -> None:
    alone = replace(on_disk, path=f"{on_disk.path}-alone")
    build(alone)
    changed = replace(on_disk, factory=factory)
    build(on_disk, shards="1-3")
    other = within(monkeypatch, FaissWriter, place, lambda: build(changed, shards=0))
    assert build(on_disk, shards=0).verified == "100 of 100 rows found by their own vectors"
    assert lists(on_disk) == lists(alone)
    with pytest.raises(ConfigError, match=f"built with index.factory=IVF8,SQ8, not {factory}"):
        other.end()
    assert not files(on_disk).next.exists()


def test_two_factories_keep_what_each_encodes(on_disk: FaissConfig, store: Store) -> None:
    changed = replace(on_disk, factory="IVF4,SQ8")
    for shard in range(3):
        for where, lacking in ((on_disk, 5), (changed, 5)):
            left = build(where, shards=shard).lacking
            assert left == lacking + 1 - sum(len(SHARDS[each]) for each in range(shard + 1))
    assert build(on_disk, shards=3).reused == 6


@pytest.mark.parametrize(("owner", "name"), [(Segments, "find"), (Segments, "write")])
def test_an_index_is_not_published_while_a_job_encodes(
    on_disk: FaissConfig,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    owner: type,
    name: str,
) -> None:
    build(on_disk, shards="0-2")
    other = within(monkeypatch, owner, name, lambda: build(on_disk, shards="0-3"))
    assert build(on_disk, shards=3).rows == 610
    assert other.end().reused == 6
    assert_equal(on_disk, store)
    assert not files(on_disk).next.exists()


def test_a_training_that_is_read_is_not_removed(
    on_disk: FaissConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(on_disk, shards="0-2")
    inner = faiss_lists.read_trained
    other = Other(lambda: build(on_disk, shards=3))

    def read(file: Path) -> Any:
        other.start()
        return inner(file)

    monkeypatch.setattr(faiss_lists, "read_trained", read)
    assert build(on_disk, shards=2).rows == 610
    assert other.end().rows == 610
    assert_equal(on_disk, store)


def test_leftovers_stay_while_a_job_encodes(
    on_disk: FaissConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(on_disk, shards="0-1")
    other = within(monkeypatch, Segments, "find", lambda: remove_leftovers(on_disk, NAME))
    build(on_disk, shards=2)
    with pytest.raises(CollectionError, match="is being filled by another command, which holds"):
        other.end()
    assert len(codes(on_disk)) == 3
    remove_leftovers(on_disk, NAME)
    assert codes(on_disk) == []


def test_parts_that_changed_are_shared_among_jobs(on_disk: FaissConfig, store: Store) -> None:
    build(on_disk)
    for shard, parts in SHARDS.items():
        for part in Path(store.url, f"shard-{shard:05}").iterdir():
            part.unlink()
        write_shard(store, shard, parts, seed=7)
    assert build(on_disk, shards=0).lacking == 4
    build(on_disk, shards="1-2")
    last = build(on_disk, shards=3)
    assert (last.reused, last.loaded, last.replaced) == (6, 0, 0)
    assert_equal(on_disk, Store.open(store.url))


def test_parts_that_changed_before_it_is_published(on_disk: FaissConfig, store: Store) -> None:
    build(on_disk, shards="0-1")
    for part in Path(store.url, "shard-00001").iterdir():
        part.unlink()
    write_shard(store, 1, SHARDS[1], seed=7)
    assert build(on_disk, shards="2-3").lacking == 1
    assert build(on_disk, shards=1).rows == 610
    assert_equal(on_disk, Store.open(store.url))


def test_jobs_of_a_sweep_replace_one_build(on_disk: FaissConfig, store: Store) -> None:
    build(on_disk)
    before = open_backend(on_disk).published(NAME)
    build(on_disk, shards="0-2", rebuild=True)
    patch = interrupt("_gather", 0)
    with pytest.raises(KeyboardInterrupt):
        build(on_disk, shards=3, rebuild=True)
    patch.undo()
    assert build(on_disk, shards=0, rebuild=before).rows == 610
    after = open_backend(on_disk).published(NAME)
    assert after != before
    for shard in (1, 2, 3):
        assert build(on_disk, shards=shard, rebuild=before).reused == 6
    assert open_backend(on_disk).published(NAME) == after
    assert not files(on_disk).next.exists()


def test_a_damaged_index_is_replaced_by_jobs(on_disk: FaissConfig, store: Store) -> None:
    build(on_disk)
    files(on_disk).manifest.write_bytes(b"{}")
    damaged = open_backend(on_disk).published(NAME)
    build(on_disk, shards="0-2", rebuild=damaged)
    build(on_disk, shards=3, rebuild=damaged)
    assert build(on_disk, shards=0, rebuild=damaged).reused == 6
    assert_equal(on_disk, store)


@pytest.mark.parametrize("changes", [{"shards": 0}, {"shards": "3", "num_shards": 3}])
def test_shards_of_which_the_index_holds_none(
    on_disk: FaissConfig, store: Store, changes: dict[str, Any]
) -> None:
    changes = {"partition": "1-2", **changes} if changes == {"shards": 0} else changes
    with pytest.raises(ConfigError, match=r"shards=[03]: the index holds none of these, but "):
        build(on_disk, **changes)
    assert not Path(on_disk.path).exists()


def test_jobs_need_a_file_system_with_locks(
    on_disk: FaissConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's error is faked: file systems without locks cannot be mounted here."""

    def refuse(file: object, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(CollectionError, match="does not support locking, by which jobs take turns"):
        build(on_disk, shards=0)
    assert build(on_disk).rows == 610


def test_a_forecast_is_of_the_published_factory(
    on_disk: FaissConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipvec.index.faiss.factory.FEW", 0)
    build(on_disk)
    where = replace(on_disk, factory="auto")
    config = build_config(Path(on_disk.path).parent / "store", where, shards="all")
    assert forecast_of_sweep(config, store.url).startswith("610 rows as IVF8,SQ8: about ")
    config = replace(config, rebuild=True)
    assert forecast_of_sweep(config, store.url).startswith("610 rows as IVF8,RaBitQ: about ")


def test_few_lists_take_memory() -> None:
    rows, bucket = 10**8, 3 * (512 + 12) * 10**8 // 8
    few, many = (memory_bytes(f"IVF{lists},SQ8", rows, 512) for lists in (8, 1024))
    assert few > bucket > 5 * many


@pytest.mark.parametrize("left", ["next", "build"])
def test_what_cannot_be_removed_is_no_failure(
    on_disk: FaissConfig,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    left: str,
) -> None:
    build(on_disk)
    kept = {"next": files(on_disk).next, "build": built(on_disk).folder}[left]
    inner = shutil.rmtree

    def rmtree(folder: Path, *arguments: Any, **options: Any) -> None:
        if Path(folder) == kept and not options.get("ignore_errors"):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), str(folder))
        inner(folder, *arguments, **options)

    monkeypatch.setattr(shutil, "rmtree", rmtree)
    done = build(on_disk, rebuild=True, alias="live")
    assert (done.rows, done.alias.startswith("live ")) == (610, True)
    assert f"{kept} is no longer needed, but stays for now ([Errno 39]" in caplog.text
    assert files(on_disk).next.exists() == (left == "next")
    assert build(on_disk, rebuild=True).rows == 610
    assert kept.exists()
    with pytest.raises(CollectionError, match=rf"^{kept} may hold rows that were taken out"):
        remove_leftovers(on_disk, NAME)
    monkeypatch.undo()
    build(on_disk)
    assert not kept.exists()


def test_all_is_on_the_disk_before_it_is_published(
    on_disk: FaissConfig, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    inner = os.fsync

    def fsync(descriptor: int) -> None:
        if not files(on_disk).manifest.exists():
            synced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        inner(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    build(on_disk)
    folder = built(on_disk).folder
    assert synced >= {str(folder), *map(str, folder.iterdir())}
