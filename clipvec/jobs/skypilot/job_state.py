"""The state and the log of a job, in SkyPilot's words and in ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from clipvec.errors import one_line
from clipvec.jobs.backend import State, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATES = {
    "PENDING": State.PENDING,
    "SUBMITTED": State.PENDING,
    "STARTING": State.PENDING,
    "RUNNING": State.RUNNING,
    "WINDING_DOWN": State.RUNNING,
    "RECOVERING": State.RECOVERING,
    "CANCELLING": State.RUNNING,
    "SUCCEEDED": State.SUCCEEDED,
    "CANCELLED": State.CANCELLED,
    "FAILED": State.FAILED,
    "FAILED_SETUP": State.FAILED,
    "FAILED_PRECHECKS": State.FAILED,
    "FAILED_NO_RESOURCE": State.FAILED,
    "FAILED_CONTROLLER": State.FAILED,
}
FIELDS = ["job_id", "status", "details", "failure_reason", "recovery_count", "job_duration"]
"""What is read of SkyPilot's queue."""
LAUNCHED = ["submitted_at", "start_at"]
"""When the launch of a job's machine began and ended."""
_WAITING = {
    "PENDING": "queued",
    "SUBMITTED": "queued",
    "STARTING": "starting a machine",
    "CANCELLING": "cancelling",
}
"""What a job waits for, where SkyPilot has no details."""


def status(record: Mapping[str, Any]) -> Status:
    """Return a job's status from a record of SkyPilot's queue."""
    name = getattr(record["status"], "value", record["status"])
    state = _STATES[name]
    reason = one_line(record.get("failure_reason") or "")
    detail = ""
    if state is State.FAILED:
        detail = f"{name}: {reason}" if reason else name
    elif name in _WAITING:
        detail = one_line(record.get("details") or _WAITING[name])
    begun, ran = record.get("submitted_at"), record.get("start_at")
    launching = ran - begun if begun and ran else 0.0  # its duration is without that
    return Status(
        state,
        detail,
        int(record.get("recovery_count") or 0),
        launching + float(record.get("job_duration") or 0),
    )


_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_PROCESS = re.compile(r"\([^()]*\bpid=\d+[^()]*\) ?")
"""What SkyPilot puts before each line of a job, such as ``(clipvec-embed-1, pid=4711)``."""


def plain(line: str) -> str:
    """Return a line of a job's log as the job wrote it, without SkyPilot's colours and prefix."""
    line = _COLOURS.sub("", line)
    prefix = _PROCESS.match(line)
    return line[prefix.end() :] if prefix else line
