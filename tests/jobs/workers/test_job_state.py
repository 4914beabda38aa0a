"""The state of a job on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec.jobs.backend import State, Status
from clipvec.jobs.workers import job_state


@pytest.mark.parametrize("state", State)
def test_state_round_trip(tmp_path: Path, state: State) -> None:
    job_state.write(tmp_path, 3, Status(State.PENDING))
    job_state.write(tmp_path, 3, Status(state, "exit code 1", 2))
    assert job_state.read(tmp_path, 3) == Status(state, "exit code 1", 2)
    assert [file.name for file in (tmp_path / "jobs").iterdir()] == ["00003.json"]


def test_a_job_that_was_never_started(tmp_path: Path) -> None:
    assert job_state.read(tmp_path, 3) is None


def test_which_states_are_final() -> None:
    assert {state for state in State if state.ended} == {
        State.SUCCEEDED,
        State.FAILED,
        State.CANCELLED,
    }
