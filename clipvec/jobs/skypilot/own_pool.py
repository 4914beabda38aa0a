"""The pool that is made for a sweep, and taken down at its end: ``launcher.pool=auto``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.errors import LaunchError, one_line
from clipvec.jobs.skypilot import tasks
from clipvec.jobs.skypilot.client import connect, status_name, to_task
from clipvec.progress import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from clipvec.jobs.record import Record

log = logging.getLogger(__name__)
_DYING = frozenset({"SHUTTING_DOWN", "CONTROLLER_FAILED", "FAILED_CLEANUP"})
"""States of a pool that SkyPilot 0.14 does not leave, or only to remove it."""


def make(record: Record) -> None:
    """Make the pool of a sweep, unless there is one."""
    files, pool = paths.SweepPaths(record.folder), tasks.pool(record.sweep)
    task = tasks.read(files.pool)
    with connect() as sky:
        for held in sky.get(sky.jobs.pool_status(pool)):
            if (status := status_name(held["status"])) in _DYING:
                raise LaunchError(
                    f"the pool {pool} is {status} and takes no jobs; run the same command "
                    "again when sky jobs pool status no longer lists it"
                )
            return
        log.info(
            "making a pool of %s, which is taken down when the jobs have ended; if this "
            "command does not live to see that: clipvec jobs wait %s, or "
            "sky jobs pool down %s",
            counted(task["pool"]["workers"], "machine"),
            record.sweep.name,
            pool,
        )
        files.pool_made.touch()
        sky.get(sky.jobs.pool_apply(to_task(sky, task), pool, sky.serve.UpdateMode.ROLLING))


def take_down(record: Record, wait_for_jobs: Callable[[], None]) -> None:
    """Take down the pool that was made for a sweep, if there is one.

    Args:
        record: the sweep.
        wait_for_jobs: returns when SkyPilot says that they ended.

    Raises:
        LaunchError: SkyPilot cannot be reached, or keeps the pool; with how to take it down.
    """
    if not paths.SweepPaths(record.folder).pool_made.exists():
        return
    pool = tasks.pool(record.sweep)
    try:
        wait_for_jobs()
        with connect() as sky:
            if sky.get(sky.jobs.pool_status(pool)):
                sky.get(sky.jobs.pool_down(pool))
                log.info("pool %s is taken down", pool)
    except (LaunchError, KeyboardInterrupt) as error:
        raise LaunchError(
            f"the pool {pool} still runs, and is paid for; take it down with sky jobs pool "
            f"down {pool} ({one_line(error) or 'stopped'})"
        ) from error
