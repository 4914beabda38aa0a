"""The store decides, not the backend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clipvec.jobs.backend import State, Status
from clipvec.jobs.plan import Job
from clipvec.jobs.progress import StoreProgress, only_missing
from tests.stores import StoreFactory, write_shard

RUNNING, DONE = Status(State.RUNNING), Status(State.SUCCEEDED)
FAILED = Status(State.FAILED, "FAILED: exit code 1", 2)


@pytest.fixture
def job(store_factory: StoreFactory, tmp_path: Path) -> Job:
    store = store_factory(tmp_path, {0: [3, 4], 2: [5]}, count=4)
    return Job(0, (), (0, 1, 2), store.url)


def test_shards_and_images_are_counted(job: Job) -> None:
    progress = StoreProgress([job, Job(1, (), (3,), job.store)])
    assert (progress.wanted, progress.committed, progress.images) == (4, 2, 12)
    assert progress.missing(job) == (1,)


def test_a_job_of_another_sweep_may_do_more_shards(job: Job) -> None:
    progress = StoreProgress([Job(0, (), (2,), job.store)])
    assert (progress.wanted, progress.committed, progress.images) == (1, 1, 5)
    other = Job(7, (), (0, 2), job.store)
    assert progress.reconcile(other, DONE) == DONE
    assert progress.missing(Job(7, (), (0, 1, 2, 3), job.store)) == (1, 3)


def test_shards_committed_meanwhile_are_seen_after_a_refresh(
    job: Job, store_factory: StoreFactory, tmp_path: Path
) -> None:
    progress = StoreProgress([job])
    write_shard(store_factory(tmp_path, {}, count=4), 1, [6])
    assert progress.missing(job) == (1,)
    progress.refresh()
    assert progress.missing(job) == ()
    assert progress.images == 18


def test_a_store_that_does_not_exist_yet(tmp_path: Path) -> None:
    job = Job(0, (), (0, 1), str(tmp_path / "nowhere"))
    assert StoreProgress([job]).missing(job) == (0, 1)


def test_success_without_commit_is_a_failure(job: Job) -> None:
    status = StoreProgress([job]).reconcile(job, DONE)
    assert status.state is State.FAILED
    assert status.detail == (f"reported as done, but 1 shard (1) not committed in {job.store}")


def test_a_marker_without_a_part_is_no_commit(job: Job) -> None:
    """A machine that vanished may leave one alone in a bucket that it had mounted."""
    part = Path(job.store, "shard-00002/part-00000.parquet")
    data = part.read_bytes()
    part.unlink()
    progress = StoreProgress([job])
    assert (progress.committed, progress.missing(job)) == (1, (1, 2))
    lost = "; shard 2 was committed, but shard-00002/part-00000.parquet is missing"
    said = f"reported as done, but 2 shards (1-2) not committed in {job.store}{lost}"
    assert progress.reconcile(job, DONE) == Status(State.FAILED, said)
    assert progress.reconcile(job, FAILED).detail == f"FAILED: exit code 1{lost}"
    cancelled = Status(State.CANCELLED, lost.removeprefix("; "))
    assert progress.reconcile(job, Status(State.CANCELLED)) == cancelled
    assert progress.reconcile(job, RUNNING) == RUNNING, "it may be on its way"
    assert only_missing(job, progress).shards == (1, 2)
    part.write_bytes(data)
    progress.refresh()
    assert progress.missing(job) == (1,)
    assert progress.reconcile(job, FAILED) == FAILED


def test_committed_is_a_success_whatever_was_reported(job: Job) -> None:
    done = Job(1, (), (0, 2), job.store)
    assert StoreProgress([done]).reconcile(done, FAILED) == Status(State.SUCCEEDED, "", 2)


def test_a_job_is_reduced_to_its_missing_shards(job: Job) -> None:
    rest = only_missing(replace(job, images=30), StoreProgress([job]))
    assert (rest.shards, rest.images) == ((1,), 10)
    assert only_missing(job, StoreProgress([job])).images is None


def test_a_forced_job_has_to_end_too(job: Job) -> None:
    forced = Job(1, (), (0, 2), job.store)
    progress = StoreProgress([job])
    assert progress.reconcile(forced, RUNNING, forced=True) == RUNNING
    assert progress.reconcile(forced, FAILED, forced=True) == Status(State.SUCCEEDED, "", 2)
    assert progress.reconcile(forced, DONE, forced=True) == DONE


@pytest.mark.parametrize("status", [RUNNING, FAILED, Status(State.CANCELLED)])
def test_anything_else_is_as_reported(job: Job, status: Status) -> None:
    assert StoreProgress([job]).reconcile(job, status) == status


@pytest.mark.parametrize("status", [RUNNING, DONE, FAILED])
def test_a_job_without_shards_is_as_reported(status: Status) -> None:
    job = Job(0, ("rebuild=true",))
    assert StoreProgress([job]).reconcile(job, status) == status
