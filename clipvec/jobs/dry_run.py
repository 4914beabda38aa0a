"""What a sweep would do, without doing it: a table, and the YAML that SkyPilot would get."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clipvec import paths, shards
from clipvec.errors import ConfigError, StoreError
from clipvec.jobs.progress import StoreProgress, only_missing
from clipvec.jobs.skypilot import prices, tasks, wheel
from clipvec.progress import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from clipvec.jobs.plan import Job, Sweep

log = logging.getLogger(__name__)
PIPE_WIDTH = 120
"""Columns of the table where there is no terminal."""


def dry_run(sweep: Sweep, folder: Path) -> None:
    """Print the jobs of a sweep and, for SkyPilot, write the YAML of each submission.

    What would be refused is said, but does not keep the rest from being shown.
    """
    from rich.console import Console

    console = Console()
    console = console if console.is_terminal else Console(width=PIPE_WIDTH)
    todo = _todo(sweep)
    console.print(f"{sweep.name}: {counted(len(todo), 'job')}", highlight=False)
    console.print(_table(todo))
    if sweep.backend != "sky" or not todo:
        return
    folder.mkdir(parents=True, exist_ok=True)
    file = paths.SweepPaths(folder.absolute()).wheel_dir / wheel.wheel_name()
    for number, submission in enumerate(tasks.tasks(sweep, todo, file)):
        written = tasks.write(submission, folder, number)
        ranks = f" --num-jobs {submission.num_jobs}" if submission.num_jobs > 1 else ""
        console.print(f"sky jobs launch{ranks} {written}", soft_wrap=True, highlight=False)
    try:
        for job in todo:
            tasks.check_folders(job, sweep.options.get("pool"))
    except ConfigError as error:
        log.warning("would be refused: %s", error)


def _todo(sweep: Sweep) -> list[Job]:
    """Return the jobs with those of their shards that are not committed."""
    try:
        progress = StoreProgress(sweep.jobs)
    except (StoreError, ConfigError) as error:
        log.warning("what is committed cannot be told: %s", error)
        return list(sweep.jobs)
    jobs = [only_missing(job, progress) for job in sweep.jobs]
    return [job for job in jobs if job.shards or not job.store]


def _table(jobs: Sequence[Job]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("job", "shards", "images", "$/h", "resources"):
        table.add_column(name, justify="left" if name in {"shards", "resources"} else "right")
    known: dict[str, float | None] = {}  # price lists are long: each cloud is looked up once
    for job in jobs:
        cloud = repr(job.cloud)
        if cloud not in known:
            known[cloud] = prices.per_hour(job.cloud)
        price = known[cloud]
        table.add_row(
            str(job.number),
            shards.format(job.shards) or "-",
            "-" if job.images is None else f"{job.images:,}",
            "-" if price is None else f"{price:,.2f}",
            tasks.describe(job.cloud),
        )
    return table
