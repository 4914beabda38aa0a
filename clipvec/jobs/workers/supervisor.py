"""``python -m clipvec.jobs.workers.supervisor FOLDER``: runs the jobs of a sweep on this machine.

Started by `clipvec.jobs.workers.backend`, in its own session. It starts working when its stdin
closes, which means that the ids of its jobs are on disk, and runs the jobs that carry its id.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from clipvec import machine
from clipvec.config import WorkersLauncher
from clipvec.jobs.backend import State, Status
from clipvec.jobs.record import Record
from clipvec.jobs.workers import job_state
from clipvec.lock import locked

if TYPE_CHECKING:
    from types import FrameType

    from clipvec.jobs.plan import Job, Sweep

WATCH_SECONDS = 0.5
"""Time between two checks of a running job's cancel marker."""
_NOT_MENDED = {2, 3, 4}
"""Exit codes of errors that a restart cannot fix, see `clipvec.errors`."""


class Supervisor:
    """Runs jobs in the slots of a sweep, which it shares with the sweep's other supervisors."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.folder = record.folder
        self.stopping = threading.Event()
        self._jobs: SimpleQueue[Job] = SimpleQueue()

    def run(self, jobs: list[Job]) -> None:
        """Run ``jobs`` and return when all have ended."""
        for job in jobs:
            self._jobs.put(job)
        slots = environments(self.record.sweep)
        with ThreadPoolExecutor(len(slots)) as threads:
            for _ in threads.map(self._work, range(len(slots)), slots):
                pass

    def stop(self, signum: int, frame: FrameType | None) -> None:
        """Cancel running and pending jobs."""
        self.stopping.set()

    def _work(self, number: int, slot: dict[str, str]) -> None:
        """Run jobs in a slot until none is left, once no other supervisor uses it."""
        with locked(self.record.paths.slot(number), None, str(self.folder)), suppress(Empty):
            while True:
                self._run(self._jobs.get_nowait(), slot)

    def _run(self, job: Job, slot: dict[str, str]) -> None:
        recovery = job.cloud.get("resources", {}).get("job_recovery")
        # the name of a strategy, or a mapping
        recovery = recovery if isinstance(recovery, dict) else {}
        restarts = int(recovery.get("max_restarts_on_errors") or 0)
        seconds = 0.0
        for attempt in range(restarts + 1):
            if self._cancelled(job):
                self._say(job, Status(State.CANCELLED, "", attempt, seconds))
                return
            began = time.monotonic()
            code = self._attempt(job, slot, Status(State.RUNNING, "", attempt, seconds))
            seconds += time.monotonic() - began
            if code == 0:
                self._say(job, Status(State.SUCCEEDED, "", attempt, seconds))
            elif self._cancelled(job):
                self._say(job, Status(State.CANCELLED, "", attempt, seconds))
            elif attempt < restarts and code not in _NOT_MENDED:
                self._say(job, Status(State.RECOVERING, _reason(code), attempt + 1, seconds))
                continue
            else:
                self._say(job, Status(State.FAILED, _reason(code), attempt, seconds))
            return

    def _attempt(self, job: Job, slot: dict[str, str], running: Status) -> int:
        """Run the command of a job once and return its exit code."""
        with self.record.paths.job_log(job.number).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-P", *self.record.sweep.command(job)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | slot | self.record.sweep.environment(job),
            )
            self._say(job, running)
            told = False
            while True:
                try:
                    return process.wait(WATCH_SECONDS)
                except subprocess.TimeoutExpired:
                    if not told and self._cancelled(job):
                        process.terminate()
                        told = True

    def _cancelled(self, job: Job) -> bool:
        return self.stopping.is_set() or self.record.paths.job_cancel(job.number).exists()

    def _say(self, job: Job, status: Status) -> None:
        job_state.write(self.folder, job.number, status)


def environments(sweep: Sweep) -> list[dict[str, str]]:
    """Return the environment variables of each slot: its GPU, or its share of the cores."""
    gpus = machine.gpus()
    assert isinstance(sweep.launcher, WorkersLauncher)
    count = sweep.launcher.processes or len(gpus) or 1
    if gpus:
        return [{"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} for slot in range(count)]
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // count))
    return [{"OMP_NUM_THREADS": threads} for _ in range(count)]


def _reason(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def main() -> None:
    """Run the command."""
    sys.stdin.read()
    record = Record.open(Path(sys.argv[1]))
    mine = f"{os.getpid()}-"
    supervisor = Supervisor(record)
    signal.signal(signal.SIGTERM, supervisor.stop)
    supervisor.run([s.job for s in record.started() if s.id.startswith(mine)])


if __name__ == "__main__":
    main()
