"""The pool of ``launcher.pool=auto``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from clipvec.errors import LaunchError
from clipvec.jobs.record import Record
from clipvec.jobs.skypilot.backend import Sky
from tests.jobs.skypilot.conftest import StandIn, job, sweep


def test_a_pool_is_made_once_and_taken_down_at_the_end(
    tmp_path: Path,
    stand_in: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    made = sweep(job(0, 0), job(1, 1), pool="auto", pool_workers=5)
    record = Record.create(tmp_path, made)
    for one in made.jobs:  # as with launcher.first=1
        Sky().submit(record, [one], lambda ids: record.save_ids(ids, made.jobs))
    ((name, (task, mode)),) = stand_in.pools.items()
    assert (name, mode) == ("clipvec-embed-1", "rolling")
    assert task[0] == yaml.safe_load((tmp_path / "pool.yaml").read_text())
    assert task[0]["pool"] == {"workers": 2}
    assert [launched["pool"] for launched in stand_in.launched] == [name, name]
    (said,) = (line for line in caplog.messages if line.startswith("making a pool of 2 machines"))
    assert said.endswith("clipvec jobs wait embed-1, or sky jobs pool down " + name)

    rows = [{"job_id": 10, "status": "RUNNING"}, {"job_id": 20, "status": "SUCCEEDED"}]
    seen = []

    def queue(**kwargs: Any) -> Any:
        seen.append(list(stand_in.pools))
        rows[0]["status"] = "RUNNING" if len(seen) < 3 else "SUCCEEDED"
        return (rows,)

    monkeypatch.setattr(stand_in.jobs, "queue_v2", queue)
    monkeypatch.setattr(Sky, "poll_seconds", 0)
    Sky().release(record)
    assert seen == [[name]] * 3
    assert stand_in.pools == {}
    Sky().release(record)  # nothing is left to take down


def test_a_pool_that_stays_is_told(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = sweep(job(0, 0), pool="auto")
    record = Record.create(tmp_path, made)
    Sky().submit(record, made.jobs, lambda ids: None)

    def pool_down(name: str) -> None:
        raise RuntimeError("no answer")

    monkeypatch.setattr(stand_in.jobs, "pool_down", pool_down)
    with pytest.raises(LaunchError) as raised:
        Sky().release(record)
    assert str(raised.value) == (
        "the pool clipvec-embed-1 still runs, and is paid for; take it down with sky jobs pool "
        "down clipvec-embed-1 (SkyPilot: RuntimeError: no answer)"
    )


def test_a_pool_that_ends_is_not_given_jobs(tmp_path: Path, stand_in: StandIn) -> None:
    made = sweep(job(0, 0), pool="auto")
    record = Record.create(tmp_path, made)
    stand_in.pools["clipvec-embed-1"], stand_in.pool = None, "SHUTTING_DOWN"
    with pytest.raises(LaunchError, match="embed-1 is SHUTTING_DOWN and takes no jobs; run the sa"):
        Sky().submit(record, made.jobs, lambda ids: None)
    assert stand_in.launched == []
    Sky().release(record)  # which did not make it
    assert stand_in.pools == {"clipvec-embed-1": None}
