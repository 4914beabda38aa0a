"""Jobs on this machine: slots, restarts and cancelling, with real processes."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from clipvec import paths
from clipvec.config import WorkersLauncher
from clipvec.jobs.backend import State, Status
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.record import Record
from clipvec.jobs.workers import job_state
from clipvec.jobs.workers.supervisor import Supervisor, environments
from tests.waiting import until


def job(number: int, *steps: str, restarts: int | None = None) -> Job:
    """Return a job that exits with one code after another, see `PROGRAM`."""
    recovery = {} if restarts is None else {"job_recovery": {"max_restarts_on_errors": restarts}}
    return Job(number, ("-".join([f"job{number}", *steps]),), cloud={"resources": recovery})


def supervisor(folder: Path, program: str, *jobs: Job, **options: Any) -> Supervisor:
    folder /= "sweep"
    record = Record.create(folder, Sweep("embed-1", program, WorkersLauncher(**options), jobs))
    (folder / "jobs").mkdir()
    return Supervisor(record)


def run(folder: Path, program: str, *jobs: Job, **options: Any) -> list[Status | None]:
    supervisor(folder, program, *jobs, **options).run(list(jobs))
    return [job_state.read(folder / "sweep", job.number) for job in jobs]


def log(folder: Path, number: int) -> list[str]:
    return paths.SweepPaths(folder / "sweep").job_log(number).read_text().splitlines()


def test_jobs_end_like_their_processes(tmp_path: Path, program: str) -> None:
    assert run(tmp_path, program, job(0, "0"), job(1, "1"), job(2, "kill")) == [
        Status(State.SUCCEEDED),
        Status(State.FAILED, "exit code 1"),
        Status(State.FAILED, "killed by SIGKILL"),
    ]
    assert log(tmp_path, 0) == ["attempt 0 NOTHING=None launcher=local"]


def test_supervisors_of_a_sweep_share_its_slots(
    tmp_path: Path, program: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As after ``launcher.first``: the others are submitted while the first job runs."""
    caplog.set_level(logging.INFO, "clipvec")
    alone, other = job(0, "wait"), job(1, "0")
    first = supervisor(tmp_path, program, alone, other, processes=1)
    folder, second = first.folder, Supervisor(first.record)
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(first.run, [alone])]
        until(lambda: job_state.read(folder, 0) is not None)
        runs.append(threads.submit(second.run, [other]))
        until(lambda: "waiting for the process" in caplog.text or job_state.read(folder, 1))
        pending = job_state.read(folder, 1)
        (tmp_path / "job0.go").touch()
        for each in runs:
            each.result()
    assert pending is None
    done = Status(State.SUCCEEDED)
    assert [job_state.read(folder, number) for number in (0, 1)] == [done, done]


@pytest.mark.parametrize(
    ("steps", "restarts", "status"),
    [
        (["1", "0"], 1, Status(State.SUCCEEDED, "", 1)),
        (["1", "kill", "0"], 2, Status(State.SUCCEEDED, "", 2)),
        (["1"], 2, Status(State.FAILED, "exit code 1", 2)),
        (["2", "0"], 2, Status(State.FAILED, "exit code 2")),
        (["3", "0"], 2, Status(State.FAILED, "exit code 3")),
        (["1", "3", "0"], 2, Status(State.FAILED, "exit code 3", 1)),
        (["1", "0"], 0, Status(State.FAILED, "exit code 1")),
        (["1", "0"], None, Status(State.FAILED, "exit code 1")),
    ],
)
def test_restarts(
    tmp_path: Path, program: str, steps: list[str], restarts: int | None, status: Status
) -> None:
    assert run(tmp_path, program, job(0, *steps, restarts=restarts)) == [status]
    assert len(log(tmp_path, 0)) == status.recoveries + 1


@pytest.mark.parametrize("recovery", ["EAGER_NEXT_REGION", None, {"strategy": "FAILOVER"}])
def test_recovery_as_skypilot_takes_it_too(tmp_path: Path, program: str, recovery: Any) -> None:
    made = Job(0, ("job0-1-0",), cloud={"resources": {"job_recovery": recovery}})
    assert run(tmp_path, program, made) == [Status(State.FAILED, "exit code 1")]


def test_each_slot_has_its_gpu(
    tmp_path: Path, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOWN", "CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    made = supervisor(tmp_path, program, *(job(n, "wait") for n in range(3)))
    jobs = list(made.record.sweep.jobs)
    thread = threading.Thread(target=made.run, args=[jobs])
    thread.start()
    until(lambda: all((tmp_path / f"job{n}.tries").exists() for n in (0, 1)))
    assert not (tmp_path / "job2.tries").exists()
    for number in range(3):
        (tmp_path / f"job{number}.go").touch()
    thread.join()
    shown = [log(tmp_path, number)[0].split()[2] for number in range(3)]
    assert set(shown[:2]) == {"CUDA_VISIBLE_DEVICES=4", "CUDA_VISIBLE_DEVICES=7"}
    assert shown[2] in shown[:2]


def test_cancelled_while_running_and_before_starting(tmp_path: Path, program: str) -> None:
    made = supervisor(tmp_path, program, *(job(n, "wait", restarts=5) for n in range(2)))
    thread = threading.Thread(target=made.run, args=[list(made.record.sweep.jobs)])
    thread.start()
    until(lambda: (tmp_path / "sweep/jobs/00000.log").exists() and log(tmp_path, 0) != [])
    for number in (1, 0):
        paths.SweepPaths(tmp_path / "sweep").job_cancel(number).touch()
    thread.join()
    for number in (0, 1):
        assert job_state.read(tmp_path / "sweep", number) == Status(State.CANCELLED)
    assert not paths.SweepPaths(tmp_path / "sweep").job_log(1).exists()


def test_a_stopped_supervisor_cancels_all(tmp_path: Path, program: str) -> None:
    made = supervisor(tmp_path, program, job(0, "0"))
    made.stop(15, None)
    made.run(list(made.record.sweep.jobs))
    assert job_state.read(tmp_path / "sweep", 0) == Status(State.CANCELLED)


def slots(**options: Any) -> list[dict[str, str]]:
    return environments(Sweep("embed-1", "clipvec.embed", WorkersLauncher(**options), ()))


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that prints nvidia-smi's output; the machine may have no GPUs."""
    program = tmp_path / "bin/nvidia-smi"
    program.parent.mkdir()
    program.write_text(
        '#!/bin/sh\n[ "$*" = -L ] || exit 6\n'
        'echo "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5c89852c)"\n'
        'echo "  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef)"\n'
        'echo "  MIG 3g.20gb     Device  1: (UUID: MIG-cba663e8)"\n'
        'echo "GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-6d2f0a1b)"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return program


@pytest.mark.parametrize(
    ("visible", "workers", "given"),
    [
        ("0,1", 0, ["0", "1"]),
        ("3", 0, ["3"]),
        ("GPU-5c89,GPU-6d2f", 0, ["GPU-5c89", "GPU-6d2f"]),
        ("0,1", 1, ["0"]),
        ("0,1", 3, ["0", "1", "0"]),
        (None, 0, ["0", "1"]),
        (None, 4, ["0", "1", "0", "1"]),
    ],
)
def test_a_gpu_for_each_slot(
    nvidia_smi: Path,
    monkeypatch: pytest.MonkeyPatch,
    visible: str | None,
    workers: int,
    given: list[str],
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert slots(processes=workers) == [{"CUDA_VISIBLE_DEVICES": gpu} for gpu in given]


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_gpus_are_not_used(
    nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert [list(slot) for slot in slots(processes=2)] == [["OMP_NUM_THREADS"]] * 2


@pytest.mark.parametrize("broken", ["#!/bin/sh\nexit 9\n", None])
def test_cores_are_shared_without_a_gpu(
    nvidia_smi: Path, monkeypatch: pytest.MonkeyPatch, broken: str | None
) -> None:
    if broken is None:
        nvidia_smi.unlink()
    else:
        nvidia_smi.write_text(broken)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert slots() == [{"OMP_NUM_THREADS": "8"}]
    assert slots(processes=3) == [{"OMP_NUM_THREADS": "2"}] * 3
    assert slots(processes=20) == [{"OMP_NUM_THREADS": "1"}] * 20
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert slots(processes=2) == [{"OMP_NUM_THREADS": "5"}] * 2
