"""Starts a sweep: only missing work, nothing twice, ids on disk before anything else."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipvec import config, shards
from clipvec.errors import ConfigError, Interrupted, LaunchError, StoreError, SweepError, signal_of
from clipvec.jobs import first, sweep_forecast, tracking, watch
from clipvec.jobs.backend import State, Status
from clipvec.jobs.dry_run import dry_run
from clipvec.jobs.generation import of_one_generation
from clipvec.jobs.precision import in_one_precision
from clipvec.jobs.progress import StoreProgress, only_missing, shards_key
from clipvec.jobs.record import Record, folders
from clipvec.jobs.sweep_forecast import Outlook
from clipvec.jobs.tracking import SweepLogger
from clipvec.progress import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from clipvec.jobs.backend import Backend
    from clipvec.jobs.plan import Job, Sweep
    from clipvec.jobs.progress import Key
    from clipvec.jobs.record import SubmittedJob

log = logging.getLogger(__name__)
_NOT_STARTED = Status(State.FAILED, "never started")


@dataclass(frozen=True)
class Outcome:
    """The outcome of one job of a sweep."""

    job: int
    status: State
    detail: str


def backend(sweep: Sweep) -> Backend:
    """Return the backend of a sweep."""
    runs: Backend = sweep.launcher.load()()
    return runs


def launch_sweep(sweep: Sweep, folder: Path) -> list[Outcome]:
    """Start the missing jobs of a sweep and, unless ``wait=false``, wait for them.

    Shards that are committed, or that a job of an earlier sweep is still working on, are not
    started again; the latter are waited for. ``force=true`` starts both.

    Raises:
        ConfigError: the request is invalid.
        LaunchError: jobs cannot be started.
        Interrupted: the jobs keep running.
    """
    config.load_env()
    settings = sweep.launcher
    runs = backend(sweep)
    if settings.dry_run:
        dry_run(sweep, runs, folder)
        return [Outcome(job.number, State.PENDING, "dry run") for job in sweep.jobs]
    sweep = replace(sweep, jobs=of_one_generation(sweep.jobs))
    progress = StoreProgress(sweep.jobs)
    busy = [] if settings.force else busy_jobs(sweep, folder, runs, progress)
    todo = list(sweep.jobs) if settings.force else _todo(sweep.jobs, busy, progress)
    todo = [in_one_precision(job, runs, progress) for job in todo]
    _say_plan(sweep, todo, busy, progress)
    if not (todo or busy or Record.exists(folder)):
        return [_outcome(job, [], [], progress) for job in sweep.jobs]  # no sweep to come back to
    record = Record.create(folder, sweep)
    _say_forecast(record, todo, runs, progress)
    if todo:
        with (
            _released_unless_running(record, runs),
            _told_how_to_come_back(
                record,
                "jobs already started keep running; to start the others and wait: "
                f"clipvec jobs resume {sweep.name}",
            ),
        ):
            _start(record, todo, runs, progress)
    if not settings.wait:
        _say_how_to_come_back(sweep.name)
        return [Outcome(job.number, State.PENDING, "not waited for") for job in sweep.jobs]
    return finish(record, busy, runs, progress)


def _start(record: Record, jobs: list[Job], runs: Backend, progress: StoreProgress) -> None:
    """Start jobs, the first ones alone where ``first`` says so.

    Raises:
        SweepError: those ended without a part, and no other was started.
    """
    alone, others = first.split(record.sweep, jobs)
    if alone:
        before = first.Found.of(alone)
        runs.submit(record, alone, lambda ids: record.save_ids(ids, alone))
        numbers = {job.number for job in alone}
        started = [s for s in record.started() if s.job.number in numbers]
        speed = first.wait_for_parts(started, before, len(others), runs, progress)
        if speed is not None:
            said = sweep_forecast.measured_first(record, speed, jobs, runs, progress)
            log.info("%s", said)
    runs.submit(record, others, lambda ids: record.save_ids(ids, others))


def attach(record: Record) -> list[Outcome]:
    """Wait for a sweep that was started earlier, and return the outcome of each job.

    Raises:
        LaunchError: the backend cannot be reached.
        Interrupted: while waiting; the jobs keep running.
    """
    runs, progress = backend(record.sweep), StoreProgress(record.sweep.jobs)
    return finish(record, busy_jobs(record.sweep, record.folder, runs, progress), runs, progress)


def resume(record: Record) -> list[Outcome]:
    """Restart the missing jobs of a sweep, including one that was started with ``force``."""
    launcher = replace(record.sweep.launcher, force=False, wait=True)
    return launch_sweep(replace(record.sweep, launcher=launcher), record.folder)


def check(outcomes: Sequence[Outcome]) -> None:
    """Raise unless every job succeeded, or was not waited for.

    Raises:
        SweepError: with the number of jobs that failed and the first reason.
    """
    failed = [o for o in outcomes if o.status in {State.FAILED, State.CANCELLED}]
    if failed:
        one = failed[0]
        raise SweepError(
            f"{len(failed)} of {counted(len(outcomes), 'job')} failed, job {one.job}: "
            f"{one.detail or one.status.value}; run the same command to start what is missing"
        )


def finish(
    record: Record, busy: Sequence[SubmittedJob], runs: Backend, progress: StoreProgress
) -> list[Outcome]:
    """Wait for a sweep's jobs, and for ``busy`` ones of other sweeps; return their outcomes.

    Raises:
        Interrupted: by Ctrl-C or SIGTERM; the jobs keep running.
    """
    sweep = record.sweep
    running = record.started()
    running += [s for s in busy if s.record.folder != record.folder]
    back = f"the jobs keep running; to wait again: clipvec jobs wait {sweep.name}"
    told = _told_how_to_come_back(record, back, running)
    if not running:
        statuses: list[Status] = []
    else:
        with tracking.start_run(record, running, progress) as run, told:
            feed = SweepLogger(run, record, runs, running, progress)
            statuses = watch.wait(running, runs, progress, feed.look)
            feed.end(statuses)
        try:
            for line in sweep_forecast.compare(record, running, statuses, progress):
                log.info("%s", line)
            for line in sweep_forecast.unwritten_indexes(sweep.jobs):
                log.warning("%s", line)
        except (ConfigError, StoreError) as error:  # whatever cannot be said, the jobs have ended
            log.warning("%s", error)
    runs.release(record)
    return [_outcome(job, running, statuses, progress) for job in sweep.jobs]


def _outcome(
    job: Job, running: Sequence[SubmittedJob], statuses: Sequence[Status], progress: StoreProgress
) -> Outcome:
    """Return the outcome of a job, some of whose shards may belong to another sweep's job."""
    if job.commits and not progress.missing(job):
        return Outcome(job.number, State.SUCCEEDED, "")
    ran = [status for s, status in zip(running, statuses, strict=True) if overlap(s.job, job)]
    if not job.commits:
        status = ran[0] if ran else _NOT_STARTED
        return Outcome(job.number, status.state, status.detail)
    failed = [status for status in ran if status.state is not State.SUCCEEDED]
    detail = (failed[0].detail or failed[0].state.value) if failed else ""
    state = failed[0].state if failed else State.FAILED
    said = f"shards {shards.format(progress.missing(job))} not committed"
    return Outcome(job.number, state, f"{said}: {detail}" if detail else said)


def overlap(one: Job, other: Job) -> bool:
    """Return whether two jobs of a command are the same, or commit some of the same shards."""
    if not one.commits:
        same = one.overrides == other.overrides and one.shards == other.shards
        return same and not other.commits
    same_store = shards_key(one) == shards_key(other)
    return same_store and not set(one.shards).isdisjoint(other.shards)


def busy_jobs(
    sweep: Sweep, folder: Path, runs: Backend, progress: StoreProgress
) -> list[SubmittedJob]:
    """Return jobs of this and earlier sweeps that are still working on this sweep's shards."""
    missing = [only_missing(job, progress) for job in sweep.jobs]
    found = []
    for other in folders(folder.parent):
        record = Record.open(other)
        if record.sweep.launcher.kind != sweep.launcher.kind:
            continue
        jobs = [
            s
            for s in record.started()
            if any(overlap(s.job, job) for job in missing) and record.sweep.module == sweep.module
        ]
        if jobs:
            said = runs.poll(record, {s.job.number: s.id for s in jobs})
            found += [s for s in jobs if _alive(said.get(s.job.number))]
    return found


def _alive(status: Status | None) -> bool:
    return status is not None and not status.state.ended


def _todo(jobs: Sequence[Job], busy: Sequence[SubmittedJob], progress: StoreProgress) -> list[Job]:
    """Return the jobs, each with its shards that are neither committed nor in progress."""
    taken: dict[Key, set[int]] = {}
    for s in busy:
        taken.setdefault(shards_key(s.job), set()).update(s.job.shards)
    todo = []
    for job in jobs:
        if not job.commits:
            if not any(overlap(s.job, job) for s in busy):
                todo.append(job)
            continue
        left = set(progress.missing(job)) - taken.get(shards_key(job), set())
        if left:
            todo.append(replace(job, shards=tuple(sorted(left))))
    return todo


def _say_plan(
    sweep: Sweep, todo: Sequence[Job], busy: Sequence[SubmittedJob], progress: StoreProgress
) -> None:
    before = ""
    if progress.wanted:
        before = f", {progress.committed} of {counted(progress.wanted, 'shard')} already committed"
    log.info("sweep %s: %s to start%s", sweep.name, counted(len(todo), "job"), before)
    for s in busy:
        log.info(
            "%s of sweep %s is still working on these shards and is not started again "
            "(launcher.force=true overrides this)",
            watch.describe(s.job),
            s.record.sweep.name,
        )


def _say_forecast(
    record: Record, todo: Sequence[Job], runs: Backend, progress: StoreProgress
) -> None:
    """Say what the jobs will take, and keep it unless some of them have been started before."""
    for line in sweep_forecast.of_indexes(todo):
        log.info("%s", line)
    launcher, root = record.sweep.launcher, record.folder.parent
    outlooks = Outlook.of(todo, launcher, runs, progress, root)
    for line in filter(None, (outlook.line() for outlook in outlooks)):
        log.info("%s", line)
    forecasts = [each for outlook in outlooks if (each := outlook.forecast()) is not None]
    if forecasts and not record.started():
        record.save_forecasts(forecasts)


@contextmanager
def _released_unless_running(record: Record, runs: Backend) -> Iterator[None]:
    """Give back what the jobs share if they are not started, or the first of them failed."""
    try:
        yield
    except (ConfigError, LaunchError, SweepError) as error:
        if isinstance(error, SweepError) or not record.started():
            try:
                runs.release(record)
            except LaunchError as left:  # the first error is the cause
                log.error("%s", left)
        raise


@contextmanager
def _told_how_to_come_back(
    record: Record, said: str, running: Sequence[SubmittedJob] = ()
) -> Iterator[None]:
    """Say at an interrupt, or an error while jobs run, that they go on, and how to return to them.

    Args:
        record: the sweep.
        said: that they go on, and the command that returns to them.
        running: jobs known to run; those that the sweep has started are known.
    """
    back = f"{said}, to stop them: clipvec jobs cancel {record.sweep.name}"
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(signal_of(error), f"stopped; {back}") from error
    except (LaunchError, StoreError) as error:
        if running or record.started():
            error.args = (f"{error}; {back}",)
        raise


def _say_how_to_come_back(name: str) -> None:
    print(
        f"started; to see its progress: clipvec jobs status {name}, "
        f"to wait for it: clipvec jobs wait {name}"
    )
