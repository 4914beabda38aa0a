"""What a sweep would do, without doing it: a table, and the YAML that SkyPilot would get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import shards

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clipvec.sweeps.plan import Job, Sweep


def dry_run(sweep: Sweep, jobs: Sequence[Job], folder: Path) -> None:
    """Print a table of ``jobs`` and, for SkyPilot, write the YAML of each submission."""
    from rich.console import Console
    from rich.table import Table

    from clipvec.sweeps import prices, tasks, wheel

    todo = [job for job in jobs if job.shards or not job.store]
    table = Table(title=f"{sweep.name}: {len(todo)} jobs", title_justify="left", box=None)
    for name in ("job", "shards", "images", "resources", "$/h"):
        table.add_column(name, justify="left" if name in {"shards", "resources"} else "right")
    for job in todo:
        price = prices.per_hour(job.cloud)
        table.add_row(
            str(job.number),
            shards.format(job.shards) or "-",
            "-" if job.images is None else f"{job.images:,}",
            tasks.describe(job.cloud),
            "-" if price is None else f"{price:,.2f}",
        )
    console = Console()
    console.print(table)
    if sweep.backend != "sky":
        return
    folder.mkdir(parents=True, exist_ok=True)
    file = folder.absolute() / wheel.name()
    for number, submission in enumerate(tasks.tasks(sweep, todo, file)):
        written = tasks.write(submission, folder, number)
        ranks = f" --num-jobs {submission.num_jobs}" if submission.num_jobs > 1 else ""
        console.print(f"sky jobs launch{ranks} {written}", soft_wrap=True, highlight=False)
