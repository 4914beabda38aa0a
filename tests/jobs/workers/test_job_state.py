"""How a job stands, on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec import paths
from clipvec.jobs.backend import State, Status
from clipvec.jobs.workers import job_state


@pytest.mark.parametrize("state", State)
def test_what_is_written_is_read(tmp_path: Path, state: State) -> None:
    job_state.write(tmp_path, 3, Status(State.PENDING))
    job_state.write(tmp_path, 3, Status(state, "exit code 1", 2))
    assert job_state.read(tmp_path, 3) == Status(state, "exit code 1", 2)
    assert [file.name for file in (tmp_path / "jobs").iterdir()] == ["00003.json"]


def test_a_job_that_was_never_started(tmp_path: Path) -> None:
    assert job_state.read(tmp_path, 3) is None


def test_nobody_reads_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job_state.write(tmp_path, 0, Status(State.RUNNING))

    def fail(self: Path, text: str, encoding: str) -> None:
        self.write_bytes(text[:5].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="No space left"):
        job_state.write(tmp_path, 0, Status(State.SUCCEEDED))
    assert paths.job_status(tmp_path, 0).with_suffix(".tmp").stat().st_size == 5
    assert job_state.read(tmp_path, 0) == Status(State.RUNNING)


def test_which_states_stay() -> None:
    assert {state for state in State if state.ended} == {
        State.SUCCEEDED,
        State.FAILED,
        State.CANCELLED,
    }
