"""One precision for all jobs that write to one store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clipvec.jobs.backend import Backend
    from clipvec.jobs.plan import Job
    from clipvec.jobs.progress import StoreProgress


def in_one_precision(job: Job, runs: Backend, progress: StoreProgress) -> Job:
    """Return a job with ``model.precision=auto`` in the precision of all machines it may get.

    Each machine would choose its own: bf16 on an L4, fp16 on a T4. Where there is a store already,
    its fingerprint says which precision its jobs take.
    """
    if job.precision != "auto" or progress.begun(job):
        return job
    chosen = runs.precision(job)
    if chosen is None:
        return job
    return replace(job, overrides=(*job.overrides, f"model.precision={chosen}"), precision=chosen)
