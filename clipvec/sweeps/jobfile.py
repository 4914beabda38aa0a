"""How a job of local workers stands, in a file that is replaced as a whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.sweeps.backend import State, Status

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, job: int, status: Status) -> None:
    """Say how a job of the sweep in ``folder`` stands."""
    file = paths.job_status(folder, job)
    file.parent.mkdir(exist_ok=True)
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(status)), encoding="utf-8")
    temporary.replace(file)


def read(folder: Path, job: int) -> Status | None:
    """Return how a job stands, or None when it was never started."""
    try:
        values = json.loads(paths.job_status(folder, job).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Status(**{**values, "state": State(values["state"])})
