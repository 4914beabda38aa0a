"""A worker process, from start to end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from clipvec import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from clipvec.recall.results import SystemResult
    from clipvec.recall.task import MeasureTask

_GRACE_SECONDS = 15


def measure_apart(
    task: MeasureTask, work_dir: Path, advance: Callable[[int], None]
) -> SystemResult:
    """Return what a worker process measured, or why it could not.

    Args:
        task: what to measure.
        work_dir: folder of the process's task and log.
        advance: called with the number of steps that were finished.
    """
    work = paths.WorkPaths(work_dir)
    task_file, log_file = work.task(task.name), work.log(task.name)
    task.result_file.parent.mkdir(parents=True, exist_ok=True)
    task.scratch.mkdir(parents=True, exist_ok=True)
    task.write(task_file)
    left = task.steps
    try:
        with _worker(task_file, log_file, task.threads) as process:
            assert process.stdout is not None
            for _ in process.stdout:
                advance(1)
                left -= 1
            code = process.wait()
    finally:
        shutil.rmtree(task.scratch, ignore_errors=True)
    advance(left)
    result = task.result() or task.skipped(_why_it_ended(code, log_file))
    if result.skipped:
        # Tried again next time: the reason may be gone by then.
        task.result_file.unlink(missing_ok=True)
    return result


@contextlib.contextmanager
def _worker(task_file: Path, log_file: Path, threads: int) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process; it has ended when the context is left."""
    # Threads that wait for each other in turns cost a busy machine several times the work.
    threading = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    with log_file.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clipvec.recall.worker", str(task_file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=os.environ | threading,
            # A group of its own: with it ends what it started, even where it is killed itself.
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _why_it_ended(code: int, log_file: Path) -> str:
    """Return how a process ended that left no result, in words."""
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", as the kernel does when memory runs out" if -code == signal.SIGKILL else ""
        return f"its process was ended by {name}{hint}; see {log_file}"
    lines = log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"its process failed: {lines[-1] if lines else f'exit code {code}'}; see {log_file}"
