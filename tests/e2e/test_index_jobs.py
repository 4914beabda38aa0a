"""``clipvec index -m index=faiss shards=all``: jobs as processes, killed anywhere."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from clipvec.config import FaissConfig
from clipvec.index import open_index
from tests.e2e.conftest import Disk, Run
from tests.stores import StoreFactory
from tests.waiting import until

ROWS = 12_000
OPTIONS = [
    *("dataset=webdataset", "dataset.name=toys", "dataset.path=toys.tar", "model=local"),
    *("model.name=toy", "model.pretrained=none", "store.root=store", "tracking=disabled"),
    *("index=faiss", 'index.factory="IVF64,SQ8"'),
]
JOBS = ["shards=all", "launcher=workers", "launcher.processes=4"]
STAGES = [
    "*.training.lock",
    "toys--toy/next/*/trained.faiss",
    *("toys--toy/next/*/*-00000-*.codes", "toys--toy/next/*/*-00003-*.codes"),
    "toys--toy/next/sorting",
    "toys--toy/*/lists.bin",
    "toys--toy/*/sizes.npy",
]
"""What is there when a build has come so far."""


@pytest.fixture(autouse=True)
def store(tmp_path: Path, store_factory: StoreFactory) -> None:
    store_factory(tmp_path / "store", {shard: [1500, 1500] for shard in range(4)}, dim=64)


def lists(folder: Path) -> bytes:
    (found,) = folder.glob("toys--toy/*/lists.bin")
    return found.read_bytes()


def searched(folder: Path) -> int:
    with open_index(FaissConfig(str(folder)), bare=True) as index:
        return index.count()


def test_jobs_that_are_killed_write_the_same_lists(run: Run, tmp_path: Path) -> None:
    run("index", *OPTIONS, "index.path=alone")
    run("index", "-m", *OPTIONS, *JOBS, "index.path=jobs")
    assert lists(tmp_path / "jobs") == lists(tmp_path / "alone")
    assert searched(tmp_path / "jobs") == ROWS
    again = run("index", "-m", *OPTIONS, *JOBS, "index.path=jobs")
    assert "4 jobs: 4 done" in again.stderr
    assert lists(tmp_path / "jobs") == lists(tmp_path / "alone")

    killed = tmp_path / "killed"
    for stage in STAGES:
        process = subprocess.Popen(
            [sys.executable, "-m", "clipvec.index", "-m", *OPTIONS, *JOBS, "index.path=killed"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(functools.partial(came_to, killed, stage, process), pause=0.002)
        kill_jobs(tmp_path)
        process.wait()
        if list(killed.glob("*/index.json")):  # before it was killed
            assert lists(killed) == lists(tmp_path / "alone")
            shutil.rmtree(killed)
    run("index", "-m", *OPTIONS, *JOBS, "index.path=killed")
    assert lists(killed) == lists(tmp_path / "alone")
    assert searched(killed) == ROWS
    assert not (killed / "toys--toy/next").exists()


def came_to(folder: Path, pattern: str, process: subprocess.Popen[bytes]) -> bool:
    return any(folder.glob(pattern)) or process.poll() is not None


def kill_jobs(folder: Path) -> None:
    """Kill the supervisors and the jobs of all sweeps of a folder; whoever waits for them ends."""
    for ids in folder.glob("data/sweeps/*/ids.jsonl"):
        for line in ids.read_text().splitlines():
            with contextlib.suppress(psutil.NoSuchProcess):
                supervisor = psutil.Process(int(json.loads(line)["id"].split("-")[0]))
                supervisor.suspend()
                for process in (*supervisor.children(), supervisor):
                    process.kill()


def test_a_job_that_fails_leaves_its_shards_to_the_same_command(run: Run, tmp_path: Path) -> None:
    part = tmp_path / "store/toys/toy/shard-00002/part-00001.parquet"
    whole = part.read_bytes()
    part.write_bytes(whole[:99])
    done = run("index", "-m", *OPTIONS, *JOBS, exit_code=1)
    assert re.search(r"of 4 jobs failed", done.stderr)
    assert list(tmp_path.glob("data/faiss/*/index.json")) == []
    part.write_bytes(whole)
    run("index", "-m", *OPTIONS, *JOBS)
    assert searched(tmp_path / "data/faiss") == ROWS


def test_a_disk_that_is_full(run: Run, small_disk: Disk, tmp_path: Path) -> None:
    where = f"index.path={small_disk.path}"
    done = run("index", "-m", *OPTIONS, *JOBS, where, exit_code=1)
    assert "cannot be written ([Errno 28] No space left on device)" in done.stderr
    assert "Traceback" not in done.stderr
    small_disk.remount("size=64m")
    run("index", "-m", *OPTIONS, *JOBS, where)
    run("index", *OPTIONS, "index.path=alone")
    assert lists(small_disk.path) == lists(tmp_path / "alone")


def test_a_sweep_of_some_shards_says_that_nothing_is_written(run: Run, tmp_path: Path) -> None:
    some = ["shards=0-1", "launcher=workers"]
    said = "data/faiss/toys--toy is not written: its jobs did not finish it; the same command with"
    assert said in run("index", "-m", *OPTIONS, *some).stderr
    assert "is not written" not in run("index", "-m", *OPTIONS, *JOBS).stderr
    before = lists(tmp_path / "data/faiss")
    (build,) = tmp_path.glob("data/faiss/toys--toy/*/lists.bin")
    run("index", "-m", *OPTIONS, *JOBS, "--rebuild")
    assert lists(tmp_path / "data/faiss") == before
    assert not build.exists()
    assert not (tmp_path / "data/faiss/toys--toy/next").exists()


def test_a_dry_run_shows_the_jobs(run: Run, tmp_path: Path) -> None:
    asked = ["shards=all", "hydra.sweeper.shards_per_job=2", "launcher.dry_run=true"]
    done = run("index", "-m", *OPTIONS, *asked, "launcher=workers")
    lines = done.stdout.splitlines()
    assert lines[0].endswith(": 2 jobs")
    assert any(re.match(r" *0-1 +0-3 \(2 each\)", line) for line in lines)
    assert list(tmp_path.glob("data/faiss/*")) == []
