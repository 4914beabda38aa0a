"""``launcher.first``: some jobs start alone, and show what the others will take and cost."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec import paths, shards
from clipvec.errors import StoreError, SweepError, brief
from clipvec.jobs import watch
from clipvec.jobs.backend import Speed, State
from clipvec.jobs.forecast import MEASURED, at_work, fewest_gpus
from clipvec.jobs.generation import in_store
from clipvec.progress import counted
from clipvec.store import CommitMarker, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.jobs.backend import Backend
    from clipvec.jobs.plan import Job, Sweep
    from clipvec.jobs.progress import StoreProgress
    from clipvec.jobs.record import SubmittedJob

log = logging.getLogger(__name__)
MEASURED_SECONDS = 20.0
"""Least time over which images/s are measured."""


@dataclass(frozen=True)
class Found:
    """What stores have of some jobs."""

    markers: dict[tuple[str, int], CommitMarker]
    """Of their complete shards, by store and shard."""
    rows: int
    """In the finished parts of their shards."""

    @classmethod
    def of(cls, jobs: Sequence[Job]) -> Found:
        """Look at the stores of jobs."""
        markers: dict[tuple[str, int], CommitMarker] = {}
        for job in jobs:
            if (store := Store.find(job.visible_store())) is not None:
                found = store.complete(in_store(job, store))
                markers |= {(store.url, shard): marker for shard, marker in found.items()}
        return cls(markers, sum(map(_rows, jobs)))


def split(sweep: Sweep, jobs: Sequence[Job]) -> tuple[Sequence[Job], Sequence[Job]]:
    """Return those of the jobs to start that start alone, if any, and all others."""
    count = sweep.launcher.first
    if not 0 < count < len(jobs) or not jobs[0].commits:
        count = 0
    return jobs[:count], jobs[count:]


def describe(jobs: Sequence[Job], others: int) -> str:
    """Return a line about the jobs that start first."""
    numbers = shards.format(job.number for job in jobs)
    one = len(jobs) == 1
    return (
        f"{'job' if one else 'jobs'} {numbers} {'starts' if one else 'start'} first; "
        f"{counted(others, 'other')} when {'it has' if one else 'they have'} written parts"
    )


def wait_for_parts(
    started: Sequence[SubmittedJob],
    before: Found,
    others: int,
    runs: Backend,
    progress: StoreProgress,
) -> Speed | None:
    """Wait until the jobs that were started first have written parts, and return how fast.

    None: they committed their shards without an image.

    Args:
        started: those jobs, submitted just now.
        before: what their stores had of them until then.
        others: number of jobs that start then.
        runs: their backend.
        progress: of their stores.

    Raises:
        SweepError: they ended before.
        LaunchError: the backend cannot be asked for a long time.
        StoreError: a store cannot be read for a long time.
    """
    patiently = watch.patient(runs.poll_seconds)
    began = time.monotonic()
    jobs = [s.job for s in started]
    gpus = at_work(jobs, fewest_gpus(jobs[0], runs))
    log.info("%s", describe(jobs, others))
    seen: tuple[float, int] | None = None
    while True:
        statuses = patiently(watch.poll, started, runs, progress)
        found = patiently(Found.of, jobs)
        now = time.monotonic()
        measured = _committed(found, before, now - began, gpus)
        if measured is not None:
            return measured
        rows = found.rows - before.rows
        if rows > 0 and seen is None:
            seen = now, rows
        if seen is not None and rows > seen[1] and now - seen[0] >= MEASURED_SECONDS:
            rate = (rows - seen[1]) / (now - seen[0]) / len(started)
            starting = max(0.0, seen[0] - began - seen[1] / rate / len(started))
            return Speed(rate / gpus, starting, MEASURED, gpus)
        if all(status.state is State.SUCCEEDED for status in statuses):
            return None
        if all(status.state.ended for status in statuses):
            failed = next((s for s in statuses if s.state is not State.SUCCEEDED), statuses[0])
            numbers = shards.format(job.number for job in jobs)
            raise SweepError(
                f"job {numbers}, started first, ended without a part "
                f"({failed.detail or failed.state.value}), and {counted(others, 'other')} did not "
                "start; see clipvec jobs logs, then run the same command again"
            )
        time.sleep(runs.poll_seconds)


def _committed(found: Found, before: Found, seconds: float, gpus: float) -> Speed | None:
    """Return what the first shard that was committed since says of the speed of jobs."""
    for place, marker in found.markers.items():
        if marker.embedded and marker.seconds and marker != before.markers.get(place):
            rate = marker.embedded / marker.seconds
            return Speed(rate, max(0.0, seconds - marker.seconds), MEASURED, gpus)
    return None


def _rows(job: Job) -> int:
    """Return the rows in the finished parts of a job's shards, all of which have the same size."""
    store = Store.find(job.visible_store())
    if store is None:
        return 0
    folders = [paths.ShardPaths(shard).folder for shard in in_store(job, store)]
    parts = [
        f"{folder}/{name}"
        for folder in folders
        for name in store.folder.names(folder)
        if paths.part_number(name) is not None
    ]
    return len(parts) * _rows_of(store, parts[0]) if parts else 0


def _rows_of(store: Store, part: str) -> int:
    import pyarrow.parquet as pq

    try:
        with store.folder.open(part) as file:
            return int(pq.ParquetFile(file).metadata.num_rows)
    except StoreError:
        raise
    except Exception as error:  # each object store's library has its own, once a file is open
        raise StoreError(
            f"{store.folder.path(part)}: {brief(error)}; check the connection, then run again"
        ) from error
