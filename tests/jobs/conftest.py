"""Shared by tests of sweeps."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from clipvec.errors import LaunchError
from clipvec.jobs.backend import Backend, State, Status
from clipvec.jobs.plan import Job
from clipvec.jobs.record import Record

PENDING, RUNNING = Status(State.PENDING), Status(State.RUNNING)
DONE, CANCELLED = Status(State.SUCCEEDED), Status(State.CANCELLED)
FAILED = Status(State.FAILED, "exit code 1")


class Scripted(Backend):
    """A backend that answers from a script, one answer after the other; the last one stays.

    No real one can be made to say what these tests are about at will, such as that a job is
    recovering, or that it is unknown. Real processes are in test_workers.py and tests/e2e.
    """

    poll_seconds = 0.0

    def __init__(self, *answers: Mapping[int, Status]) -> None:
        self.answers = list(answers)
        self.submitted: list[Job] = []
        self.asked: list[list[int]] = []
        self.log: list[str] = []
        self.released: list[str] = []

    def submit(
        self, record: Record, jobs: Sequence[Job], saved: Callable[[Mapping[int, str]], None]
    ) -> None:
        self.submitted += jobs
        saved({job.number: f"id-{job.number}" for job in jobs})

    def poll(self, record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        self.asked.append(sorted(ids))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {job: answer[job] for job in ids if job in answer}

    def logs(self, record: Record, job: int, id: str, *, follow: bool) -> Iterator[str]:
        if not self.log:
            raise LaunchError(f"job {job} has not started, so it has no log yet")
        yield from self.log

    def cancel(self, record: Record, ids: Mapping[int, str]) -> None:
        raise NotImplementedError

    def release(self, record: Record) -> None:
        self.released.append(record.sweep.name)


PROGRAM = '''
"""Does what its first argument says; prints the attempt and what it was given."""
import os, pathlib, signal, sys, time

job, *steps = sys.argv[1].split("-")
tries = pathlib.Path(f"{job}.tries")
attempt = len(tries.read_text()) if tries.exists() else 0
tries.write_text("x" * (attempt + 1))
shown = [f"{name}={os.environ.get(name)}" for name in os.environ["SHOWN"].split(",")]
print("attempt", attempt, *shown, *sys.argv[2:], flush=True)
step = steps[min(attempt, len(steps) - 1)]
if step == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    deadline = time.monotonic() + 60
    while not pathlib.Path(f"{job}.go").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    print("gone on", flush=True)
elif step == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
else:
    sys.exit(int(step))
'''


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module of a small program that jobs run in place of a command, in ``tmp_path``.

    Modules of that folder are none of theirs.
    """
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "stand_in.py").write_text(PROGRAM)
    (tmp_path / "pathlib.py").write_text("raise SystemExit('that of the current folder')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(modules), *sys.path]))
    monkeypatch.setenv("SHOWN", "NOTHING")
    return "stand_in"
