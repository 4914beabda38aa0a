"""The store's word counts, not the backend's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clipvec.jobs.backend import State, Status
from clipvec.jobs.plan import Job
from clipvec.jobs.progress import Truth, only_missing
from tests.stores import StoreFactory, write_shard

RUNNING, DONE = Status(State.RUNNING), Status(State.SUCCEEDED)
FAILED = Status(State.FAILED, "FAILED: exit code 1", 2)


@pytest.fixture
def job(store_factory: StoreFactory, tmp_path: Path) -> Job:
    store = store_factory(tmp_path, {0: [3, 4], 2: [5]}, count=4)
    return Job(0, (), (0, 1, 2), store.url)


def test_shards_and_images_are_counted(job: Job) -> None:
    truth = Truth([job, Job(1, (), (3,), job.store)])
    assert (truth.wanted, truth.committed, truth.images) == (4, 2, 12)
    assert truth.missing(job) == (1,)


def test_a_job_of_another_sweep_may_do_more_shards(job: Job) -> None:
    truth = Truth([Job(0, (), (2,), job.store)])
    assert (truth.wanted, truth.committed, truth.images) == (1, 1, 5)
    other = Job(7, (), (0, 2), job.store)
    assert truth.judge(other, DONE) == DONE
    assert truth.missing(Job(7, (), (0, 1, 2, 3), job.store)) == (1, 3)


def test_what_was_committed_meanwhile_is_seen_after_a_refresh(
    job: Job, store_factory: StoreFactory, tmp_path: Path
) -> None:
    truth = Truth([job])
    write_shard(store_factory(tmp_path, {}, count=4), 1, [6])
    assert truth.missing(job) == (1,)
    truth.refresh()
    assert truth.missing(job) == ()
    assert truth.images == 18


def test_a_store_that_does_not_exist_yet(tmp_path: Path) -> None:
    job = Job(0, (), (0, 1), str(tmp_path / "nowhere"))
    assert Truth([job]).missing(job) == (0, 1)


def test_success_without_commit_is_a_failure(job: Job) -> None:
    status = Truth([job]).judge(job, DONE)
    assert status.state is State.FAILED
    assert status.detail == (f"reported as done, but 1 shard (1) not committed in {job.store}")


def test_committed_is_a_success_whatever_was_reported(job: Job) -> None:
    done = Job(1, (), (0, 2), job.store)
    assert Truth([done]).judge(done, FAILED) == Status(State.SUCCEEDED, "", 2)


def test_a_job_is_cut_down_to_what_is_missing(job: Job) -> None:
    rest = only_missing(replace(job, images=30), Truth([job]))
    assert (rest.shards, rest.images) == ((1,), 10)
    assert only_missing(job, Truth([job])).images is None


def test_a_forced_job_has_to_end_too(job: Job) -> None:
    forced = Job(1, (), (0, 2), job.store)
    truth = Truth([job])
    assert truth.judge(forced, RUNNING, forced=True) == RUNNING
    assert truth.judge(forced, FAILED, forced=True) == Status(State.SUCCEEDED, "", 2)
    assert truth.judge(forced, DONE, forced=True) == DONE


@pytest.mark.parametrize("status", [RUNNING, FAILED, Status(State.CANCELLED)])
def test_anything_else_is_as_reported(job: Job, status: Status) -> None:
    assert Truth([job]).judge(job, status) == status


@pytest.mark.parametrize("status", [RUNNING, DONE, FAILED])
def test_a_job_without_shards_is_as_reported(status: Status) -> None:
    job = Job(0, ("rebuild=true",))
    assert Truth([job]).judge(job, status) == status
