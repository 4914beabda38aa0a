"""The actions of ``clipvec jobs`` on an existing sweep."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from clipvec import shards
from clipvec.errors import ConfigError, LaunchError
from clipvec.jobs import watch
from clipvec.jobs.backend import State, Status
from clipvec.jobs.launch import backend, busy_jobs, overlap
from clipvec.jobs.progress import StoreProgress
from clipvec.jobs.record import Record, folders
from clipvec.progress import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clipvec.jobs.backend import Backend
    from clipvec.jobs.record import SubmittedJob


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
    """Print a table of a sweep's jobs, with other sweeps' jobs that work on the same shards.

    A job never started is pending unless it is committed.

    Raises:
        LaunchError: the backend cannot be asked.
    """
    runs, progress = backend(record.sweep), StoreProgress(record.sweep.jobs)
    submitted = record.started()
    others = _others(record, runs, progress)
    polled = watch.poll([*submitted, *others], runs, progress)
    own = {s.job.number: (s.id, status) for s, status in zip(submitted, polled, strict=False)}
    rows = []
    for job in record.sweep.jobs:
        elsewhere = [
            (job, s.id, replace(status, detail=" ".join([_name(s, record), status.detail]).strip()))
            for s, status in zip(others, polled[len(submitted) :], strict=True)
            if overlap(s.job, job)
        ]
        if job.number in own:
            rows.append((job, *own[job.number]))
        elif not elsewhere:
            rows.append((job, "", progress.reconcile(job, Status(State.PENDING, "not started"))))
        rows += elsewhere
    Console().print(watch.table(rows))


def print_logs(record: Record, job: int | None, *, follow: bool) -> None:
    """Print the log of one job, or of all that were started or work on the same shards.

    Raises:
        ConfigError: the job was not started.
        LaunchError: there is no log, or not yet.
    """
    runs = backend(record.sweep)
    chosen = _chosen(record, job, runs)
    for s, status in zip(chosen, _polled(chosen, runs), strict=True):
        if job is None or s.record.folder != record.folder:
            print(f"== {_name(s, record)}")
        if status is not None and status.state is State.PENDING and not follow:
            said = f"{_name(s, record)} has not begun ({status.detail or status.state.value})"
            if job is not None:
                raise LaunchError(
                    f"{said}, so it has no log yet; --follow waits for it, and "
                    f"clipvec jobs status {s.record.sweep.name} shows its state"
                )
            print(f"{said}, so it has no log yet")
            continue
        for line in runs.logs(s.record, s.job.number, s.id, follow=follow):
            print(line.rstrip("\n"), flush=True)


def cancel(record: Record, job: int | None) -> None:
    """Cancel one job, or all that work on the sweep's shards, and print how many were running.

    Raises:
        ConfigError: the job was not started.
        LaunchError: the backend cannot be asked.
    """
    runs = backend(record.sweep)
    chosen = _chosen(record, job, runs)
    polled = list(zip(chosen, _polled(chosen, runs), strict=True))
    alive = [s for s, status in polled if status is None or not status.state.ended]
    for folder, of_one in groupby(alive, lambda s: s.record.folder):
        jobs = list(of_one)
        runs.cancel(jobs[0].record, {s.job.number: s.id for s in jobs})
        elsewhere = "" if folder == record.folder else f", for sweep {record.sweep.name}"
        print(f"{jobs[0].record.sweep.name}: {counted(len(jobs), 'job')} cancelled{elsewhere}")
    if job is None:
        runs.release(record)
    if not alive:
        print(f"{record.sweep.name}: no job is running; {len(chosen)} had already ended")


def _polled(jobs: Sequence[SubmittedJob], runs: Backend) -> list[Status | None]:
    """Return what the backend says of jobs, one request for each sweep."""
    found: dict[tuple[Path, int], Status] = {}
    for folder, of_one in groupby(jobs, lambda s: s.record.folder):
        each = list(of_one)
        said = runs.poll(each[0].record, {s.job.number: s.id for s in each})
        found |= {(folder, number): status for number, status in said.items()}
    return [found.get((s.record.folder, s.job.number)) for s in jobs]


def _others(record: Record, runs: Backend, progress: StoreProgress) -> list[SubmittedJob]:
    """Return the jobs of other sweeps that work on the shards of this one."""
    busy = busy_jobs(record.sweep, record.folder, runs, progress)
    return [s for s in busy if s.record.folder != record.folder]


def _name(started: SubmittedJob, record: Record) -> str:
    """Return the name of a job, with that of its sweep if it is not this one."""
    here = started.record.folder == record.folder
    return f"job {started.job.number}{'' if here else f' of sweep {started.record.sweep.name}'}"


def _chosen(record: Record, job: int | None, runs: Backend) -> list[SubmittedJob]:
    """Return the jobs of a sweep, or one of them, and those of others that do the same work.

    Raises:
        ConfigError: the job was not started, and no other does its work.
    """
    started = record.started()
    others = _others(record, runs, StoreProgress(record.sweep.jobs))
    if job is None:
        return [*started, *others]
    wanted = [each for each in record.sweep.jobs if each.number == job]
    chosen = [s for s in started if s.job.number == job]
    chosen += [s for s in others if any(overlap(s.job, each) for each in wanted)]
    if not chosen:
        numbers = shards.format(s.job.number for s in started) or "none"
        raise ConfigError(f"--job {job}: sweep {record.sweep.name} started jobs {numbers}")
    return chosen
