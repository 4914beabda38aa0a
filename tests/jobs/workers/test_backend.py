"""Local workers as a backend, with real processes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from clipvec import paths
from clipvec.config import WorkersLauncher
from clipvec.errors import LaunchError
from clipvec.jobs.backend import State, Status
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.record import Record
from clipvec.jobs.workers import job_state
from clipvec.jobs.workers.backend import Workers
from tests.waiting import until

RUNNING, DONE = Status(State.RUNNING), Status(State.SUCCEEDED)
GONE = Status(State.FAILED, "its supervisor is gone; was the machine restarted?")


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    monkeypatch.setattr(Workers, "poll_seconds", 0.1)
    return Workers()


@pytest.fixture
def record(tmp_path: Path, program: str) -> Iterator[Record]:
    """A sweep of two jobs that each wait for a file; none outlives its test."""
    jobs = (Job(0, ("job0-wait",)), Job(1, ("job1-wait",)))
    sweep = Sweep("embed-1", program, WorkersLauncher(processes=1), jobs)
    yield Record.create(tmp_path / "sweep", sweep)
    for number in (0, 1):
        (tmp_path / f"job{number}.go").touch()


def submit(workers: Workers, record: Record) -> dict[int, str]:
    jobs = record.sweep.jobs
    workers.submit(record, jobs, lambda ids: record.save_ids(ids, jobs))
    return {started.job.number: started.id for started in record.started()}


def test_from_start_to_end(workers: Workers, record: Record, tmp_path: Path) -> None:
    ids = submit(workers, record)
    until(lambda: workers.poll(record, ids)[0] == RUNNING)
    assert workers.poll(record, ids) == {0: RUNNING, 1: Status(State.PENDING)}
    with pytest.raises(LaunchError, match="job 1 has not started, so it has no log yet"):
        list(workers.logs(record, 1, ids[1], follow=True))

    lines = workers.logs(record, 0, ids[0], follow=True)
    assert next(lines) == "attempt 0 NOTHING=None launcher=local\n"
    (tmp_path / "job0.go").touch()
    assert list(lines) == ["gone on\n"]

    until(lambda: workers.poll(record, ids)[1] == RUNNING)
    (tmp_path / "job1.go").touch()
    until(lambda: workers.poll(record, ids) == {0: DONE, 1: DONE})
    # the supervisor ends with its last job, and what it wrote stays
    until(lambda: psutil.Process(int(ids[0].split("-")[0])).status() == psutil.STATUS_ZOMBIE)
    assert workers.poll(record, ids) == {0: DONE, 1: DONE}
    assert workers.poll(record, {7: ids[0]}) == {}


def test_a_dead_supervisor(workers: Workers, record: Record, tmp_path: Path) -> None:
    job_state.write(record.folder, 7, DONE)
    ids = submit(workers, record)
    until((tmp_path / "job0.tries").exists)
    os.kill(int(ids[0].split("-")[0]), signal.SIGKILL)
    until(lambda: workers.poll(record, ids)[0] != RUNNING)
    assert workers.poll(record, ids | {7: ids[0]}) == {0: GONE, 1: GONE, 7: DONE}


@pytest.mark.parametrize(("seconds", "status"), [(1.5, RUNNING), (-1.5, RUNNING), (3600, GONE)])
def test_a_supervisor_is_identified_by_its_start_time(
    workers: Workers, tmp_path: Path, seconds: float, status: Status
) -> None:
    """The clock may change; another process with the same pid started at another time."""
    me = psutil.Process()
    record = Record.create(
        tmp_path, Sweep("embed-1", "clipvec.embed", WorkersLauncher(), (Job(0, ()),))
    )
    job_state.write(tmp_path, 0, RUNNING)
    assert workers.poll(record, {0: f"{me.pid}-{me.create_time() + seconds}"}) == {0: status}


def test_cancelled_and_started_again(workers: Workers, record: Record) -> None:
    ids = submit(workers, record)
    until(lambda: workers.poll(record, ids)[0] == RUNNING)
    workers.cancel(record, ids)
    cancelled = Status(State.CANCELLED)
    until(lambda: workers.poll(record, ids) == {0: cancelled, 1: cancelled})
    ids = submit(workers, record)
    assert not paths.SweepPaths(record.folder).job_cancel(0).exists()
    until(lambda: workers.poll(record, ids)[0] == RUNNING)


def test_jobs_print_their_errors_as_one_line(
    workers: Workers, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`clipvec.cli` sets this in the process that launches."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setenv("SHOWN", "HYDRA_FULL_ERROR")
    ids = submit(workers, record)
    (tmp_path / "job0.go").touch()
    until(lambda: workers.poll(record, ids)[0] == DONE)
    first, *_ = workers.logs(record, 0, ids[0], follow=False)
    assert first == "attempt 0 HYDRA_FULL_ERROR=None launcher=local\n"


def test_no_process_can_be_started(
    workers: Workers, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(LaunchError, match=r"^cannot start a process here: .*/nowhere/python"):
        submit(workers, record)
    assert record.started() == []
