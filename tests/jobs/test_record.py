"""A sweep's folder contains the plan and the ids."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from clipvec.config import SkyLauncher, WorkersLauncher
from clipvec.errors import ConfigError
from clipvec.jobs.plan import Job, Sweep
from clipvec.jobs.record import Record, folders

JOBS = (Job(0, ("model=sample",), (0, 1), "/store"), Job(1, ("model=sample",), (2, 3), "/store"))


def sweep(name: str = "embed-1") -> Sweep:
    return Sweep(name, "clipvec.embed", WorkersLauncher(), JOBS)


def test_a_sweep_begins_once(tmp_path: Path) -> None:
    first = sweep()
    Record.create(tmp_path, first)
    resumed = Record.create(tmp_path, Record.open(tmp_path).sweep).sweep
    assert resumed.begun == first.begun


def test_state_round_trip(tmp_path: Path) -> None:
    Record.create(tmp_path / "embed-1", sweep())
    assert Record.open(tmp_path / "embed-1").sweep == sweep()


def test_the_newest_id_of_a_job_counts(tmp_path: Path) -> None:
    record = Record.create(tmp_path / "embed-1", sweep())
    record.save_ids({0: "7", 1: "8"}, JOBS)
    record.save_ids({1: "9"}, [Job(1, (), (3,), "/store")])
    started = Record.open(tmp_path / "embed-1").started()
    assert [(s.job.number, s.id, s.job.shards) for s in started] == [
        (0, "7", (0, 1)),
        (1, "9", (3,)),
    ]


def test_a_resumed_sweep_keeps_its_ids(tmp_path: Path) -> None:
    Record.create(tmp_path / "embed-1", sweep()).save_ids({1: "8"}, JOBS)
    again = Record.create(tmp_path / "embed-1", replace(sweep(), launcher=SkyLauncher()))
    assert [s.id for s in again.started()] == ["8"]


def test_nothing_started(tmp_path: Path) -> None:
    assert Record.create(tmp_path / "embed-1", sweep()).started() == []


def test_found_by_name_by_folder_and_as_the_latest(tmp_path: Path) -> None:
    for i, name in enumerate(["b", "a"]):
        Record.create(tmp_path / name, sweep(name))
        os.utime(tmp_path / name / "sweep.json", ns=(i, i))
    assert Record.find("b", tmp_path).sweep.name == "b"
    assert Record.find("latest", tmp_path).sweep.name == "a"
    assert Record.find(str(tmp_path / "b"), Path("elsewhere")).sweep.name == "b"
    assert [folder.name for folder in folders(tmp_path)] == ["b", "a"]


def test_a_missing_sweep(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^no sweep yet in .*; clipvec embed -m launcher="):
        Record.find("latest", tmp_path)
    with pytest.raises(ConfigError, match=r"no sweep 'x' in .* \(latest: none yet\)"):
        Record.find("x", tmp_path)
    Record.create(tmp_path / "embed-1", sweep())
    with pytest.raises(ConfigError, match=r"no sweep 'x' in .* \(latest: embed-1\)"):
        Record.find("x", tmp_path)


def test_a_damaged_sweep(tmp_path: Path) -> None:
    Record.create(tmp_path / "embed-1", sweep())
    (tmp_path / "embed-1" / "sweep.json").write_text('{"name": 3}')
    with pytest.raises(ConfigError, match=r"sweep.json is not a sweep .* remove the folder"):
        Record.open(tmp_path / "embed-1")


@pytest.mark.parametrize(
    ("mounts", "seen"),
    [
        ({}, "/store/toys/toy"),
        ({"/store": {"source": "s3://bucket"}}, "s3://bucket/toys/toy"),
        ({"/store": "s3://bucket"}, "/store/toys/toy"),
        ({"/store": {"source": "gs://b/x/", "mode": "MOUNT"}}, "gs://b/x/toys/toy"),
        ({"/sto": {"source": "s3://bucket"}}, "/store/toys/toy"),
    ],
)
def test_a_mounted_store_is_seen_by_its_url(mounts: dict[str, object], seen: str) -> None:
    job = Job(0, (), (1,), "/store/toys/toy", {"file_mounts": mounts})
    assert job.visible_store() == seen
