"""The state and the log of a job, as SkyPilot's queue has them."""

from __future__ import annotations

import json
import types

import pytest

from clipvec.jobs.backend import State, Status
from clipvec.jobs.skypilot import job_state
from clipvec.jobs.skypilot.job_state import status
from tests.preloaded import Python


def test_every_status_and_field_of_skypilot_is_known(python: Python) -> None:
    code = (
        "import json, sky.jobs\n"
        "from sky.schemas.api.responses import ManagedJobRecord\n"
        "ended = {s.value: s.is_terminal() for s in sky.jobs.ManagedJobStatus}\n"
        "print(json.dumps([ended, list(ManagedJobRecord.model_fields)]))"
    )
    ended, fields = json.loads(python("-c", code))
    assert {name: state.ended for name, state in job_state._STATES.items()} == ended
    assert set(job_state.FIELDS + job_state.LAUNCHED) <= set(fields)


@pytest.mark.parametrize(
    ("name", "reason", "recoveries", "expected"),
    [
        ("PENDING", None, None, Status(State.PENDING, "queued")),
        ("SUBMITTED", None, 0, Status(State.PENDING, "queued")),
        ("STARTING", None, 0, Status(State.PENDING, "starting a machine")),
        ("RUNNING", None, 1, Status(State.RUNNING, "", 1)),
        ("WINDING_DOWN", None, 0, Status(State.RUNNING)),
        ("RECOVERING", None, 2, Status(State.RECOVERING, "", 2)),
        ("CANCELLING", None, 0, Status(State.RUNNING, "cancelling")),
        ("SUCCEEDED", "", 3, Status(State.SUCCEEDED, "", 3)),
        ("CANCELLED", "by user", 0, Status(State.CANCELLED)),
        ("FAILED", None, 0, Status(State.FAILED, "FAILED")),
        ("FAILED_SETUP", " pip\n failed ", 0, Status(State.FAILED, "FAILED_SETUP: pip failed")),
        ("FAILED_PRECHECKS", "x", 0, Status(State.FAILED, "FAILED_PRECHECKS: x")),
        ("FAILED_NO_RESOURCE", "no T4", 0, Status(State.FAILED, "FAILED_NO_RESOURCE: no T4")),
        ("FAILED_CONTROLLER", "x", 0, Status(State.FAILED, "FAILED_CONTROLLER: x")),
    ],
)
def test_status(name: str, reason: str | None, recoveries: int | None, expected: Status) -> None:
    row = {"status": name, "failure_reason": reason, "recovery_count": recoveries}
    assert status(row) == expected
    # SkyPilot's own enumeration, or its value
    assert status(row | {"status": types.SimpleNamespace(value=name)}) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PENDING", Status(State.PENDING, "Waiting for other jobs to launch")),
        ("STARTING", Status(State.PENDING, "Waiting for other jobs to launch")),
        ("RUNNING", Status(State.RUNNING)),
    ],
)
def test_what_a_job_waits_for(name: str, expected: Status) -> None:
    assert status({"status": name, "details": "Waiting for other\n jobs to launch"}) == expected


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("\x1b[36m(clipvec-embed-1, pid=4711)\x1b[0m encoding on cuda\n", "encoding on cuda\n"),
        ("\x1b[36m(setup pid=12)\x1b[0m \x1b[1;31mno (pid=3)\x1b[0m", "no (pid=3)"),
        ("(worker1, rank=1, pid=9, ip=10.0.0.2) x\n", "x\n"),
        ("shard 7 (of 8): done\n", "shard 7 (of 8): done\n"),
        ("(no pid) stays", "(no pid) stays"),
    ],
)
def test_logs_are_those_of_the_job(line: str, said: str) -> None:
    assert job_state.plain(line) == said


def test_a_machine_is_in_use_from_its_start() -> None:
    row = {"status": "RUNNING", "job_duration": 100.0, "submitted_at": 50.0, "start_at": None}
    assert status(row).seconds == 100.0
    assert status(row | {"start_at": 170.0}).seconds == 220.0
