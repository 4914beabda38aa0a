"""Sweeps with ``launcher=workers``: everything but SkyPilot itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.e2e.conftest import Run

SWEEP = ["-m", "launcher=workers", "launcher.processes=2", "sharding.count=4"]
SWEEP += ["tracking=disabled"]  # tests/e2e/test_tracking.py covers it
PAIRS = "hydra.sweeper.shards_per_job=2"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Eight images, two for each of four shards."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(8):
        Image.new("RGB", (80, 60), (30 * number, 90, 10)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def sweep(images: Path, tiny: list[str]) -> list[str]:
    """A sweep over the four shards of the images."""
    return [*SWEEP, "dataset=folder", f"dataset.path={images}", *tiny]


@pytest.fixture
def drawn() -> list[str]:
    """The same of vectors that are drawn: jobs that load no model end in a fraction of the time."""
    rows = ["dataset.name=images", "dataset.rows=8", "dataset.dim=8", "dataset.clusters=2"]
    return [*SWEEP, "experiment=synthetic", *rows, "model.name=local"]


def committed(folder: Path) -> list[int]:
    marks = (folder / "data/store/images/local").glob("shard-*/done.json")
    return sorted(int(mark.parent.name.removeprefix("shard-")) for mark in marks)


def started(folder: Path) -> dict[str, list[list[int]]]:
    """Return the shards of each started job, by sweep."""
    return {
        file.parent.name: [json.loads(line)["shards"] for line in file.read_text().splitlines()]
        for file in (folder / "data/sweeps").glob("*/ids.jsonl")
    }


def test_all_is_committed_and_nothing_is_done_twice(
    run: Run, drawn: list[str], tmp_path: Path
) -> None:
    done = run("embed", *drawn, PAIRS)
    assert committed(tmp_path) == [0, 1, 2, 3]
    assert "job 0 (shards 0-1): done" in done.stderr
    assert "2 jobs: 2 done; 4 of 4 shards committed; 8 images" in done.stderr
    assert list(started(tmp_path).values()) == [[[0, 1], [2, 3]]]
    status = run("jobs", "status").stdout
    assert re.search(r"0 +\d+-[\d.]+ +0-1 +done", status)
    assert "4 of 4 shards" in run("jobs", "list").stdout
    assert "2 shards: 4 images, 0 rejects" in run("jobs", "logs", "--job", "1").stdout

    again = run("embed", *drawn)
    assert "0 jobs to start, 4 of 4 shards already committed" in again.stderr
    assert len(started(tmp_path)) == 1


def test_a_failure_is_reported_and_the_same_command_retries_only_it(
    run: Run, sweep: list[str], images: Path, tmp_path: Path
) -> None:
    good = (images / "5.png").read_bytes()
    (images / "5.png").write_bytes(good[:60].ljust(len(good), b"\0"))
    done = run("embed", *sweep, PAIRS, "max_reject_fraction=0", exit_code=1)
    assert committed(tmp_path) == [0, 1, 3]
    assert "job 1 (shards 2-3) failed: exit code 3" in done.stderr
    assert "error: 1 of 2 shards failed (2): 1 of 2 images of shard 2 were rejected" in done.stderr
    name = next(iter(started(tmp_path)))
    assert f"full log: clipvec jobs logs {name} --job 1" in done.stderr
    assert "error: 1 of 2 jobs failed, job 1: shards 2 not committed: exit code 3" in done.stderr

    run("embed", *sweep, PAIRS)  # of fewer than 100 images a tenth is 10
    assert committed(tmp_path) == [0, 1, 2, 3]
    assert started(tmp_path)[max(started(tmp_path))] == [[2]]


def test_started_without_waiting_and_waited_for_later(
    run: Run, sweep: list[str], tmp_path: Path
) -> None:
    # One after another, so that the last is still pending when it is requested again.
    done = run("embed", *sweep, PAIRS, "launcher.wait=false", "launcher.processes=1")
    name = next(iter(started(tmp_path)))
    assert f"to wait for it: clipvec jobs wait {name}" in done.stdout
    again = run("embed", *sweep, "shards=3")
    assert (
        f"job 1 (shards 2-3) of sweep {name} is still working on these shards and is not started "
        in again.stderr
    )
    assert "job 1 (shards 2-3): done" in again.stderr
    run("jobs", "wait", name)
    assert committed(tmp_path) == [0, 1, 2, 3]
    assert list(started(tmp_path)) == [name]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_the_wait_says_how_to_resume_it(
    run: Run, sweep: list[str], tmp_path: Path, signum: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "clipvec.embed", *sweep, "hydra.sweeper.shards_per_job=4"],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "200"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert next(line for line in lines if line.startswith("1 job:")).startswith("1 job: 1 ")
    process.send_signal(signum)
    assert process.wait(60) == 128 + signum
    name = next(iter(started(tmp_path)))
    *_, last = lines
    assert last == (
        "error: stopped; the jobs keep running; to wait again: clipvec jobs wait "
        f"{name}, to stop them: clipvec jobs cancel {name}\n"
    )
    process.stderr.close()
    assert committed(tmp_path) == []
    (line,) = (tmp_path / "data/sweeps" / name / "ids.jsonl").read_text().splitlines()
    assert psutil.pid_exists(int(json.loads(line)["id"].split("-")[0]))
    run("jobs", "wait", name)
    assert committed(tmp_path) == [0, 1, 2, 3]


def test_cancelled_and_resumed(run: Run, sweep: list[str], tmp_path: Path) -> None:
    run("embed", *sweep, PAIRS, "launcher.wait=false", "launcher.processes=1")
    assert "cancelled" in run("jobs", "cancel").stdout
    waited = run("jobs", "wait", exit_code=1)
    assert "2 of 2 jobs failed, job 0: shards 0-1 not committed" in waited.stderr
    assert run("jobs", "status").stdout.count("cancelled") == 2
    assert committed(tmp_path) == []
    run("jobs", "resume")  # and waits, whatever the sweep's options were
    assert committed(tmp_path) == [0, 1, 2, 3]


def test_a_bad_configuration_starts_nothing(run: Run, sweep: list[str], tmp_path: Path) -> None:
    done = run("embed", *sweep, "batch_size=0", exit_code=2)
    assert done.stderr.startswith("error: batch_size=0: input should be greater than or equal to 1")
    assert started(tmp_path) == {}


def test_dry_run_starts_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ["embed", "-m", "experiment=skypilot_example", "launcher.dry_run=true"]
    monkeypatch.setenv("HF_TOKEN", "")
    monkeypatch.setenv("HOME", str(tmp_path))  # SkyPilot's own checks write there
    monkeypatch.setenv("SKYPILOT_DISABLE_USAGE_COLLECTION", "1")
    done = run(*asked, exit_code=2)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("missing: dataset.path='ILSVRC/imagenet-1k' is gated, so jobs need ")
    assert lines[1].startswith("missing: store.root=data/store is a folder on a cloud machine")
    assert lines[2].endswith(": 100 jobs")
    assert lines[4].split()[:6] == ["0-99", "0-99", "(1", "each)", "10,000", "each"]
    assert lines[5].startswith("forecast for 100 jobs on A10G: 16.3 machine hours, ")
    assert "; hydra.sweeper.shards_per_job=auto: 11 jobs, 6.4 machine hours, " in lines[5]
    task = Path(tmp_path, lines[6].removeprefix("sky jobs launch --num-jobs 100 "))
    assert "shards=(0 1 2 3" in task.read_text()
    assert "model.precision=fp16" in task.read_text()
    assert done.stderr == "error: the sweep would not start: 2 reasons, above\n"
    assert started(tmp_path) == {}


def test_two_sweeps_of_one_folder_name(run: Run, drawn: list[str], tmp_path: Path) -> None:
    """Two commands may start in the same second, after which their folders are named."""
    for shard in (0, 1):
        run("embed", *drawn, f"shards={shard}", "hydra.sweep.dir=data/sweeps/mine")
    assert started(tmp_path) == {"mine": [[0]], "mine-2": [[1]]}
    assert "mine-2" in run("jobs", "list").stdout
