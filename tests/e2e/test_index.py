"""``clipvec index`` as a subprocess: kill and resume, interruption, flags, bad input."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from clipvec.config import ChromaConfig
from clipvec.errors import CollectionError, DiskFullError
from clipvec.index import open_index
from clipvec.index.build import build_index
from tests.e2e.conftest import Disk, Run
from tests.index.conftest import build_config
from tests.stores import StoreFactory
from tests.waiting import until

ROWS = 3000
OPTIONS = [
    *("dataset=webdataset", "dataset.name=toys", "dataset.path=toys.tar", "model=local"),
    *("model.name=toy", "model.pretrained=none", "store.root=store"),
]


@pytest.fixture
def store(tmp_path: Path, store_factory: StoreFactory) -> None:
    """A store that takes a few seconds to load."""
    store_factory(tmp_path / "store", {shard: [250, 250] for shard in range(6)}, dim=128)


def start(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "clipvec.index", *OPTIONS, *arguments],
        cwd=cwd,
        env=os.environ | {"HYDRA_FULL_ERROR": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_rows(folder: Path, process: subprocess.Popen[str], least: int) -> None:
    """Wait until the database in ``folder`` has some rows, but not all."""
    database = folder / "chroma.sqlite3"
    until(lambda: database.is_file() and rows_in(folder) >= least, by=process, pause=0.005)


def rows_in(folder: Path) -> int:
    with closing(sqlite3.connect(f"file:{folder}/chroma.sqlite3?mode=ro", uri=True)) as database:
        try:
            return int(database.execute("SELECT COUNT(*) FROM embeddings").fetchone()[0])
        except sqlite3.OperationalError:
            return 0


def ids_in(folder: Path) -> list[str]:
    index = ChromaConfig(path=str(folder))
    with open_index(index, "toys--toy", bare=True) as collection:
        assert collection.count() == ROWS
        return list(collection._rows.get(include=[])["ids"])


@pytest.mark.usefixtures("store")
def test_partitions_by_a_sweep(run: Run, tmp_path: Path) -> None:
    run("index", "-m", *OPTIONS, "partition=0-2,3-5", cwd=tmp_path)
    folders = sorted(path.parent.name for path in tmp_path.glob("data/index/*/chroma.sqlite3"))
    assert folders == ["toys--toy--shards-0-2", "toys--toy--shards-3-5"]
    with open_index(ChromaConfig(str(tmp_path / "data/index"))) as both:
        assert (both.name, both.count()) == ("toys--toy", 3000)


@pytest.mark.usefixtures("store")
def test_killed_and_run_again(run: Run, tmp_path: Path) -> None:
    process = start(tmp_path, "batch_rows=250")
    wait_for_rows(tmp_path / "data/index/toys--toy", process, 700)
    process.kill()
    process.communicate()
    done = run("index", *OPTIONS)
    counts = re.search(
        r"3,000 rows; (\d+) parts? loaded, (\d+) reused, (\d+) replaced; .* verified: ", done.stdout
    )
    assert counts is not None
    loaded, reused, replaced = map(int, counts.groups())
    assert loaded + reused + replaced == 12
    assert reused >= 2
    assert replaced <= 1
    ids = ids_in(tmp_path / "data/index")
    assert sorted(ids) == sorted(f"{shard}/{n}" for shard in range(6) for n in range(500))
    again = run("index", *OPTIONS)
    assert "0 parts loaded, 12 reused, 0 replaced; verified: " in again.stdout


@pytest.mark.usefixtures("store")
def test_interrupted_and_run_again(run: Run, tmp_path: Path) -> None:
    process = start(tmp_path, "batch_rows=250")
    wait_for_rows(tmp_path / "data/index/toys--toy", process, 1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "error: stopped by SIGTERM" in err
    assert "loaded rows are kept; the same command resumes there" in err
    assert "Traceback" not in err
    run("index", *OPTIONS)
    assert len(set(ids_in(tmp_path / "data/index"))) == ROWS


@pytest.mark.usefixtures("store")
def test_a_killed_rebuild_leaves_the_old_index(run: Run, tmp_path: Path) -> None:
    run("index", *OPTIONS)
    process = start(tmp_path, "--rebuild", "batch_rows=250")
    wait_for_rows(tmp_path / "data/index/toys--toy--rebuild", process, 1)
    process.kill()
    process.communicate()
    assert len(set(ids_in(tmp_path / "data/index"))) == ROWS
    done = run("index", *OPTIONS, "--rebuild")
    assert "12 parts loaded, 0 reused" in done.stdout
    (database,) = tmp_path.glob("data/index/*/chroma.sqlite3")
    assert database.parent.name == "toys--toy"
    assert len(set(ids_in(tmp_path / "data/index"))) == ROWS


@pytest.mark.usefixtures("store")
def test_a_second_command_leaves_a_rebuild_alone(run: Run, tmp_path: Path) -> None:
    run("index", *OPTIONS)
    process = start(tmp_path, "--rebuild", "batch_rows=250")
    wait_for_rows(tmp_path / "data/index/toys--toy--rebuild", process, 1)
    process.send_signal(signal.SIGSTOP)
    refused = run("index", *OPTIONS, exit_code=1).stderr
    assert refused.splitlines()[-1] == (
        "error: data/index/toys--toy is being filled by another command, which holds "
        "data/index/toys--toy.lock; wait until it has finished, or choose another index.path"
    )
    assert len(set(ids_in(tmp_path / "data/index"))) == ROWS
    process.send_signal(signal.SIGCONT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "12 parts loaded, 0 reused" in out
    assert len(set(ids_in(tmp_path / "data/index"))) == ROWS


def test_bad_input_is_one_line(run: Run, tmp_path: Path, store_factory: StoreFactory) -> None:
    missing = run("index", *OPTIONS, exit_code=1).stderr
    assert missing.startswith("error: there is no store at")
    assert "clipvec embed" in missing
    store_factory(tmp_path / "store", {0: [5], 2: [5]}, count=4)
    partial = run("index", *OPTIONS, exit_code=1).stderr
    assert " lacks 2 of 4 shards: 1,3; add" in partial
    assert "'shards=[1,3]'" in partial
    server = ["index=chroma_http", "index.port=9", "allow_partial=true"]
    unreachable = run("index", *OPTIONS, *server, exit_code=1).stderr.splitlines()
    assert unreachable[-1].startswith("error: no Chroma server answers at http://127.0.0.1:9")
    assert "hnsw=huge" in run("index", "hnsw=huge", exit_code=2).stderr.replace("/", "=")


@pytest.mark.usefixtures("store")
def test_disk_not_writable(run: Run, small_disk: Disk) -> None:
    small_disk.remount("ro")
    refused = run("index", *OPTIONS, f"index.path={small_disk.path}", exit_code=1).stderr
    assert refused.splitlines()[-1].startswith(f"error: {small_disk.path}/toys--toy: ")
    assert "choose another index.path" in refused


@pytest.mark.usefixtures("store")
def test_disk_full(run: Run, small_disk: Disk) -> None:
    small_disk.remount("size=3m")
    full = run("index", *OPTIONS, f"index.path={small_disk.path}", exit_code=1).stderr
    assert full.splitlines()[-1].startswith(f"error: {small_disk.path}/toys--toy: ")
    assert "the disk is full; free space, or choose another index.path, and rerun" in full
    small_disk.remount("size=64m")
    done = run("index", *OPTIONS, f"index.path={small_disk.path}")
    assert re.search(r"3,000 rows; .* verified: ", done.stdout)
    ids_in(small_disk.path)


def test_reading_on_a_full_disk(
    small_disk: Disk, tmp_path: Path, store_factory: StoreFactory
) -> None:
    """The line does not blame the index, nor tell to build it again."""
    small_disk.remount("size=4m")
    where, fill = ChromaConfig(str(small_disk.path)), small_disk.path / "fill"
    store_factory(tmp_path / "store", {0: [30]})
    build_index(build_config(tmp_path / "store", where))
    with pytest.raises(OSError, match="No space left"):
        fill.write_bytes(bytes(2**22))
    with pytest.raises(DiskFullError, match=r"whenever it opens an index.*run the command again$"):
        open_index(where)
    small_disk.remount("ro")
    with pytest.raises(CollectionError, match="whenever it opens it, also to read it; make it wri"):
        open_index(where)
    small_disk.remount("rw")
    fill.unlink()
    with open_index(where) as index:
        assert index.count() == 30


@pytest.mark.usefixtures("store")
def test_faiss_on_a_full_disk(run: Run, small_disk: Disk) -> None:
    """What was encoded before the disk was full is used again."""
    small_disk.remount("size=200k")
    options = [*OPTIONS, "index=faiss", 'index.factory="IVF32,RaBitQ"']
    options += [f"index.path={small_disk.path}"]
    full = run("index", *options, exit_code=1).stderr
    assert re.search(
        rf"error: {small_disk.path}/toys--toy.*No space left.*; free space, .* the same command "
        "again",
        full.splitlines()[-1],
    )
    small_disk.remount("size=64m")
    done = run("index", *options)
    assert re.search(
        r"3,000 rows; [\d ]+ parts loaded, 12 reused, .* verified: 100 of", done.stdout
    )


def test_faiss_is_searched(run: Run, sample: Path) -> None:
    folder = [f"store.root={sample / 'data/store'}", "index=faiss"]
    built = run("index", "model=sample", *folder, 'index.factory="IVF8,RaBitQ"')
    assert "364 rows; 10 parts loaded" in built.stdout
    text = ["a red fruit", "--where", "category=food", "--json"]
    found = run("search", *text, "index=faiss", "index.nprobe=8").stdout
    assert found == run("search", *text, f"index.path={sample / 'data/index'}").stdout
