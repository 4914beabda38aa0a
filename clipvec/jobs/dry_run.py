"""Shows what a sweep would do, without doing it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clipvec import shards
from clipvec.errors import ConfigError, StoreError
from clipvec.jobs.progress import StoreProgress, only_missing
from clipvec.progress import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from clipvec.jobs.backend import Backend
    from clipvec.jobs.plan import Job, Sweep

log = logging.getLogger(__name__)
PIPE_WIDTH = 120
"""Width of the table in columns if there is no terminal."""


def dry_run(sweep: Sweep, runs: Backend, folder: Path) -> None:
    """Print the missing jobs of a sweep, and their backend's details."""
    from rich.console import Console

    console = Console()
    console = console if console.is_terminal else Console(width=PIPE_WIDTH)
    todo = _todo(sweep)
    console.print(f"{sweep.name}: {counted(len(todo), 'job')}", highlight=False)
    console.print(_table(todo, runs))
    if todo:
        for line in runs.preview(sweep, todo, folder):
            console.print(line, soft_wrap=True, highlight=False)


def _todo(sweep: Sweep) -> list[Job]:
    """Return the jobs, each with its uncommitted shards."""
    try:
        progress = StoreProgress(sweep.jobs)
    except (StoreError, ConfigError) as error:
        log.warning("cannot determine which shards are committed: %s", error)
        return list(sweep.jobs)
    jobs = [only_missing(job, progress) for job in sweep.jobs]
    return [job for job in jobs if job.shards or not job.store]


def _table(jobs: Sequence[Job], runs: Backend) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("job", "shards", "images", "$/h", "machine"):
        table.add_column(name, justify="left" if name in {"shards", "machine"} else "right")
    for job in jobs:
        price = runs.price_per_hour(job)
        table.add_row(
            str(job.number),
            shards.format(job.shards) or "-",
            "-" if job.images is None else f"{job.images:,}",
            "-" if price is None else f"{price:,.2f}",
            runs.machine(job),
        )
    return table
