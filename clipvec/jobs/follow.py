"""The actions of ``python -m clipvec.jobs`` on an existing sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from clipvec import shards
from clipvec.errors import ConfigError
from clipvec.jobs import watch
from clipvec.jobs.backend import State, Status
from clipvec.jobs.launch import backend
from clipvec.jobs.progress import StoreProgress
from clipvec.jobs.record import Record, folders
from clipvec.progress import counted

if TYPE_CHECKING:
    from pathlib import Path


def print_sweeps(root: Path) -> None:
    """Print a table of all sweeps below ``root``, oldest first."""
    table = Table(box=None, pad_edge=False)
    for name in ("sweep", "on", "jobs", "started", "committed"):
        table.add_column(name, justify="left" if name in {"sweep", "on"} else "right")
    for folder in folders(root):
        record = Record.open(folder)
        sweep, progress = record.sweep, StoreProgress(record.sweep.jobs)
        done = f"{progress.committed:,} of {progress.wanted:,} shards" if progress.wanted else "-"
        started = str(len(record.started()))
        table.add_row(sweep.name, sweep.launcher.kind, str(len(sweep.jobs)), started, done)
    Console().print(table)


def print_status(record: Record) -> None:
    """Print a table of a sweep's jobs; a job never started is pending unless it is committed.

    Raises:
        LaunchError: the backend cannot be asked.
    """
    progress = StoreProgress(record.sweep.jobs)
    submitted = record.started()
    polled = watch.poll(submitted, backend(record.sweep), progress)
    known = {s.job.number: (s.id, status) for s, status in zip(submitted, polled, strict=True)}
    rows = []
    for job in record.sweep.jobs:
        never = progress.reconcile(job, Status(State.PENDING, "not started"))
        id_, status = known.get(job.number, ("", never))
        rows.append((job, id_, status))
    Console().print(watch.table(rows))


def print_logs(record: Record, job: int | None, *, follow: bool) -> None:
    """Print the log of one job, or of all that were started.

    Raises:
        ConfigError: the job was not started.
        LaunchError: there is no log.
    """
    runs = backend(record.sweep)
    for number, id_ in _chosen(record, job).items():
        if job is None:
            print(f"== job {number}")
        for line in runs.logs(record, number, id_, follow=follow):
            print(line.rstrip("\n"), flush=True)


def cancel(record: Record, job: int | None) -> None:
    """Cancel one job, or all that were started, and print how many were still running.

    Raises:
        ConfigError: the job was not started.
        LaunchError: the backend cannot be asked.
    """
    chosen = _chosen(record, job)
    runs = backend(record.sweep)
    ended = {number for number, s in runs.poll(record, chosen).items() if s.state.ended}
    alive = {number: id_ for number, id_ in chosen.items() if number not in ended}
    runs.cancel(record, alive)
    cancelled = f"{counted(len(alive), 'job')} cancelled" if alive else "no job is running"
    print(f"{record.sweep.name}: {cancelled}; {len(ended)} had already ended")


def _chosen(record: Record, job: int | None) -> dict[int, str]:
    """Return the ids of one job, or of all that were started."""
    ids = {s.job.number: s.id for s in record.started()}
    if job is None:
        return ids
    if job not in ids:
        raise ConfigError(
            f"--job {job}: sweep {record.sweep.name} started jobs {shards.format(ids) or 'none'}"
        )
    return {job: ids[job]}
