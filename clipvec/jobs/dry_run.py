"""Shows what a sweep would do, without doing it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from clipvec import shards
from clipvec.errors import ConfigError, StoreError
from clipvec.jobs import first
from clipvec.jobs.backend import Preview
from clipvec.jobs.forecast import Forecast
from clipvec.jobs.generation import of_one_generation
from clipvec.jobs.precision import in_one_precision
from clipvec.jobs.progress import StoreProgress, only_missing
from clipvec.jobs.sweep_forecast import Outlook, of_indexes
from clipvec.progress import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

    from clipvec.jobs.backend import Backend, Speed
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
    todo, outlooks, unreadable = _todo(sweep, runs, folder.parent)
    preview = runs.preview(sweep, todo, folder) if todo else Preview()
    refusals = [*unreadable, *preview.refusals]
    for reason in refusals:
        console.print(f"missing: {reason}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"{sweep.name}: {counted(len(todo), 'job')}", highlight=False)
    console.print(_table(todo, runs))
    if (ranking := _ranking(outlooks)).row_count:
        console.print(ranking)
    for line in filter(None, (outlook.line() for outlook in outlooks)):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    alone, others = first.split(sweep, todo)
    starts = [first.describe(alone, len(others))] if alone else []
    for line in [*of_indexes(todo), *starts, *preview.lines]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    if refusals:
        raise ConfigError(f"the sweep would not start: {counted(len(refusals), 'reason')}, above")


def _todo(sweep: Sweep, runs: Backend, root: Path) -> tuple[list[Job], list[Outlook], list[str]]:
    """Return the jobs, each with its uncommitted shards, their outlook, and what is not known."""
    jobs: Sequence[Job] = sweep.jobs
    try:
        jobs = of_one_generation(jobs, look=False)
        progress = StoreProgress(jobs)
    except (StoreError, ConfigError) as error:
        known = Outlook.of(sweep.jobs, sweep.launcher, runs, StoreProgress(()), root)
        return list(sweep.jobs), known, [f"the committed shards are not known: {error}"]
    left = [only_missing(job, progress) for job in jobs]
    missing = [job for job in left if job.shards or not job.store]
    todo = [in_one_precision(job, runs, progress) for job in missing]
    return todo, Outlook.of(todo, sweep.launcher, runs, progress, root), []


def _ranking(outlooks: Sequence[Outlook]) -> Table:
    """Return a row for each GPU, the cheapest per image first, where price and speed are known."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    several = len(outlooks) > 1
    for name in (*(["store"] if several else []), "GPU"):
        table.add_column(name)
    for name in ("images/s", "$/h", "$/million images", "$ in all", "of it starting"):
        table.add_column(name, justify="right")
    for outlook in outlooks:
        store = ["/".join(outlook.jobs[0].store.rsplit("/", 2)[-2:])] if several else []
        rows = [_row(outlook, each.label, each.price, each.speed) for each in outlook.machines]
        for _, row in sorted(filter(None, rows)):
            table.add_row(*store, *row)
    return table


def _row(
    outlook: Outlook, name: str, price: float | None, speed: Speed | None
) -> tuple[float, list[str]] | None:
    """Return dollars per million images and the row of a GPU; None: they are unknown."""
    if price is None or speed is None:
        return None
    million = price / 3600 / speed.of_machine * 1e6
    row = [name, f"{speed.of_machine:,.0f}", f"{price:,.2f}", f"{million:,.2f}"]
    if outlook.images is None:
        return million, [*row, "-", "-"]
    whole = Forecast.of(len(outlook.jobs), outlook.images, speed, price, outlook.launcher)
    return million, [*row, f"{whole.dollars:,.2f}", f"{whole.starting:.0%}"]


def _table(jobs: Sequence[Job], runs: Backend) -> Table:
    """Return a row for each group of equal jobs, without the columns of which nothing is known."""
    from rich.table import Table

    rows = []
    for _, group in groupby(jobs, _all_but_shards):
        equal = list(group)
        one, price = equal[0], runs.price_per_hour(equal[0])
        each = f" ({len(one.shards)} each)" if one.shards and equal[1:] else ""
        images = "" if one.images is None else f"{one.images:,}"
        rows.append(
            {
                "job": shards.format(job.number for job in equal),
                "shards": shards.format(s for job in equal for s in job.shards) + each,
                "images": images + (" each" if images and equal[1:] else ""),
                "$/h": "" if price is None else f"{price:,.2f}",
                "machine": runs.machine(one),
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
