"""The status of a local worker's job, in a file that is replaced atomically."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.files import write_atomically
from clipvec.jobs.backend import State, Status

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, job: int, status: Status) -> None:
    """Write the status of a job of the sweep in ``folder``."""
    file = paths.SweepPaths(folder).job_status(job)
    write_atomically(file, json.dumps(asdict(status)).encode())


def read(folder: Path, job: int) -> Status | None:
    """Return the status of a job, or None if it was never started."""
    file = paths.SweepPaths(folder).job_status(job)
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        written = file.stat().st_mtime
    except FileNotFoundError:
        return None
    status = Status(**{**values, "state": State(values["state"])})
    if status.state is not State.RUNNING:
        return status
    return replace(status, seconds=status.seconds + max(0.0, time.time() - written))
