"""Shows what a sweep would do, without doing it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from clipvec import shards
from clipvec.errors import ConfigError, StoreError
from clipvec.jobs.backend import Preview
from clipvec.jobs.precision import in_one_precision
from clipvec.jobs.progress import StoreProgress, only_missing
from clipvec.progress import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from clipvec.jobs.backend import Backend
    from clipvec.jobs.plan import Job, Sweep

PIPE_WIDTH = 120
"""Width of the table in columns if there is no terminal."""


def dry_run(sweep: Sweep, runs: Backend, folder: Path) -> None:
    """Print what is missing, the jobs to start, and their backend's details.

    Raises:
        ConfigError: the jobs would not be started.
    """
    from rich.console import Console

    console = Console()
    console = console if console.is_terminal else Console(width=PIPE_WIDTH)
    todo, unreadable = _todo(sweep, runs)
    preview = runs.preview(sweep, todo, folder) if todo else Preview()
    refusals = [*unreadable, *preview.refusals]
    for reason in refusals:
        console.print(f"missing: {reason}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"{sweep.name}: {counted(len(todo), 'job')}", highlight=False)
    console.print(_table(todo, runs))
    for line in preview.lines:
        console.print(line, soft_wrap=True, highlight=False)
    if refusals:
        raise ConfigError(f"the sweep would not start: {counted(len(refusals), 'reason')}, above")


def _todo(sweep: Sweep, runs: Backend) -> tuple[list[Job], list[str]]:
    """Return the jobs, each with its uncommitted shards, or why those are not known."""
    try:
        progress = StoreProgress(sweep.jobs)
    except (StoreError, ConfigError) as error:
        return list(sweep.jobs), [f"the committed shards are not known: {error}"]
    jobs = [only_missing(job, progress) for job in sweep.jobs]
    missing = [job for job in jobs if job.shards or not job.store]
    return [in_one_precision(job, runs, progress) for job in missing], []


def _table(jobs: Sequence[Job], runs: Backend) -> Table:
    """Return a row for each group of equal jobs, without the columns of which nothing is known."""
    from rich.table import Table

    rows = []
    for _, group in groupby(jobs, _all_but_shards):
        equal = list(group)
        first, price = equal[0], runs.price_per_hour(equal[0])
        each = f" ({len(first.shards)} each)" if first.shards and equal[1:] else ""
        images = "" if first.images is None else f"{first.images:,}"
        rows.append(
            {
                "job": shards.format(job.number for job in equal),
                "shards": shards.format(s for job in equal for s in job.shards) + each,
                "images": images + (" each" if images and equal[1:] else ""),
                "$/h": "" if price is None else f"{price:,.2f}",
                "machine": runs.machine(first),
            }
        )
    table = Table(box=None, pad_edge=False)
    for name in ("job", "shards", "images", "$/h", "machine"):
        if any(row[name] for row in rows):
            table.add_column(name, justify="left" if name in {"shards", "machine"} else "right")
    for row in rows:
        table.add_row(*(row[str(column.header)] or "-" for column in table.columns))
    return table


def _all_but_shards(job: Job) -> tuple[object, ...]:
    """Return what two jobs have in common that are shown in one row."""
    return job.overrides, repr(job.cloud), job.store, len(job.shards), job.images
