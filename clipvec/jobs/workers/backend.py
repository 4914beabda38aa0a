"""Processes on this machine as the backend of a sweep.

A supervisor (`clipvec.jobs.workers.supervisor`) in its own session runs the jobs, so they outlive
the terminal that started them, as SkyPilot's jobs do. It records its progress in files in the
sweep's folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import psutil

from clipvec import machine
from clipvec.errors import LaunchError
from clipvec.jobs.backend import Backend, Machine, State, Status
from clipvec.jobs.workers import job_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from clipvec.jobs.plan import Job
    from clipvec.jobs.record import Record

CLOCK_SECONDS = 60.0
"""Tolerated change of the system clock while jobs run, since start times depend on it."""
_GONE = Status(State.FAILED, "its supervisor is gone; was the machine restarted?")


class Workers(Backend):
    """Runs jobs on this machine; their id is their supervisor's process id and start time."""

    def submit(
        self, record: Record, jobs: Sequence[Job], saved: Callable[[Mapping[int, str]], None]
    ) -> None:
        """Start a supervisor for ``jobs``.

        Raises:
            LaunchError: no process can be started.
        """
        for job in jobs:
            job_state.write(record.folder, job.number, Status(State.PENDING))
            record.paths.job_cancel(job.number).unlink(missing_ok=True)
        module = "clipvec.jobs.workers.supervisor"
        command = [sys.executable, "-P", "-m", module, str(record.folder)]
        # This process makes Hydra raise its errors; jobs should print theirs as one line.
        environment = {k: v for k, v in os.environ.items() if k != "HYDRA_FULL_ERROR"}
        with record.paths.supervisor_log.open("ab") as log:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )
                id_ = _id(psutil.Process(process.pid))
            except (OSError, psutil.Error) as error:
                raise LaunchError(f"cannot start a process here: {error}") from error
        saved({job.number: id_ for job in jobs})
        assert process.stdin is not None
        process.stdin.close()  # which it waits for: it reads from disk what it is to do
        process.returncode = 0  # it is not waited for; Popen would warn

    def machines(self, job: Job) -> list[Machine]:
        """Return this machine, whose speed is not known before it was measured."""
        device = "cuda" if machine.gpus() and not job.on_cpu else "cpu"
        return [Machine(machine.device_name(device), None, None)]

    def poll(self, record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        """Return the status of jobs."""
        alive = {id_: _process(id_) is not None for id_ in set(ids.values())}
        found = {}
        for job, id_ in ids.items():
            status = job_state.read(record.folder, job)
            if status is not None:
                found[job] = status if status.state.ended or alive[id_] else _GONE
        return found

    def logs(self, record: Record, job: int, id: str, *, follow: bool) -> Iterator[str]:
        """Yield the lines of a job's log.

        Raises:
            LaunchError: there is none yet.
        """
        file = record.paths.job_log(job)
        if not file.is_file():
            raise LaunchError(f"job {job} has not started, so it has no log yet")
        with file.open(encoding="utf-8", errors="replace") as lines:
            while True:
                # Checked before the rest is read, so nothing written before its end is missed.
                ended = not follow or self._ended(record, job, id)
                yield from lines
                if ended:
                    return
                time.sleep(self.poll_seconds / 4)

    def _ended(self, record: Record, job: int, id: str) -> bool:
        status = self.poll(record, {job: id}).get(job)
        return status is None or status.state.ended

    def cancel(self, record: Record, ids: Mapping[int, str]) -> None:
        """Ask jobs to stop; the supervisor sends SIGTERM to those running."""
        for job in ids:
            record.paths.job_cancel(job).touch()


def _id(process: psutil.Process) -> str:
    return f"{process.pid}-{process.create_time()}"


def _process(id_: str) -> psutil.Process | None:
    """Return the process of an id, or None if it has ended."""
    pid, created = id_.split("-", 1)
    try:
        process = psutil.Process(int(pid))
        same = abs(process.create_time() - float(created)) < CLOCK_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None
