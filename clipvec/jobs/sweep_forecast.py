"""The forecasts of a sweep: made before it starts, kept in its folder, compared at its end."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipvec.config import IndexCommandConfig, read_command
from clipvec.errors import ClipvecError, MissingPackageError
from clipvec.index import forecast_of_sweep, unwritten_by_sweep
from clipvec.jobs.backend import Machine, Speed, State
from clipvec.jobs.forecast import (
    MEASURED,
    Forecast,
    StoreForecast,
    by_store,
    describe,
    fewest_gpus,
    images_of,
    likely,
    machines,
    summary,
)
from clipvec.jobs.generation import in_store
from clipvec.jobs.record import Record, folders
from clipvec.store import canonical_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from clipvec.config import LauncherKind
    from clipvec.jobs.backend import Backend, Status
    from clipvec.jobs.plan import Job
    from clipvec.jobs.progress import StoreProgress
    from clipvec.jobs.record import SubmittedJob
    from clipvec.store import Store

log = logging.getLogger(__name__)
UNKNOWN_IMAGES = "the number of images is not known; about how many there are: dataset.num_images=N"
"""Why there is no forecast, and what to set."""


@dataclass(frozen=True)
class Outlook:
    """What is known, before a sweep starts, of its jobs that commit to one store."""

    jobs: list[Job]
    images: int | None
    """In all of them; None: unknown."""
    machines: list[Machine]
    """Those that the jobs may get."""
    launcher: LauncherKind
    """Of the sweep."""

    @classmethod
    def of(
        cls,
        jobs: Sequence[Job],
        launcher: LauncherKind,
        runs: Backend,
        progress: StoreProgress,
        root: Path,
    ) -> list[Outlook]:
        """Return what is known of jobs, one for each store.

        Args:
            jobs: of one sweep.
            launcher: what starts them.
            runs: their backend.
            progress: of their stores.
            root: the folder of all sweeps, earlier ones among them.
        """
        return [
            cls(
                of_one,
                images_of(of_one, progress),
                machines(of_one, runs, progress, _earlier(store, runs, root)),
                launcher,
            )
            for store, of_one in by_store(jobs).items()
        ]

    @property
    def machine(self) -> Machine | None:
        """The machine that the jobs are expected to get; None: no speed is known."""
        return likely(self.machines)

    def line(self) -> str | None:
        """Return what the jobs will take, or what to set to know it; None: nothing is known."""
        if self.machine is None or self.machine.speed is None:
            return None
        if self.images is None:
            return f"no forecast: {UNKNOWN_IMAGES}"
        return summary(self.jobs, self.images, self.machine, self.machines, self.launcher)

    def forecast(self) -> StoreForecast | None:
        """Return what the jobs will take, if that is known."""
        if self.machine is None or self.machine.speed is None or self.images is None:
            return None
        speed, price = self.machine.speed, self.machine.price
        return _forecast(self.jobs, self.images, speed, price, self.launcher)


def of_indexes(jobs: Sequence[Job]) -> list[str]:
    """Return what the jobs take that share the shards of an index, in a line for each index.

    A package that only the jobs have is named in place of a forecast.

    Raises:
        ConfigError: the index cannot be built as asked.
        StoreError: a store cannot be read.
    """
    return _of_each_index(jobs, forecast_of_sweep, "no forecast")


def unwritten_indexes(jobs: Sequence[Job]) -> list[str]:
    """Return which indexes are not written although their jobs have ended, in a line for each.

    Raises:
        ConfigError: an index cannot be built as asked.
        StoreError: a store cannot be read.
    """
    return _of_each_index(jobs, unwritten_by_sweep, "whether the index is written is not known")


def _of_each_index(
    jobs: Sequence[Job], say: Callable[[IndexCommandConfig, str], str], unknown: str
) -> list[str]:
    """Return what is to be said of each index whose shards jobs share, or why it is unknown."""
    lines = []
    for config, url in _shared_indexes(jobs):
        try:
            lines.append(say(config, url))
        except MissingPackageError as error:  # the machines of jobs install it
            lines.append(f"{unknown}: {error}")
    return [line for line in lines if line]


def _shared_indexes(jobs: Sequence[Job]) -> list[tuple[IndexCommandConfig, str]]:
    """Return the configuration of each index whose shards jobs share, and its store's URL."""
    found = {}
    for job in jobs:
        if job.shards and not job.commits and job.overrides not in found:
            config = read_command("index", job.overrides, IndexCommandConfig)
            found[job.overrides] = config, job.visible(config.store_url)
    return [*found.values()]


def _forecast(
    jobs: Sequence[Job], images: int, speed: Speed, price: float | None, launcher: LauncherKind
) -> StoreForecast:
    forecast = Forecast.of(len(jobs), images, speed, price, launcher)
    return StoreForecast(jobs[0].visible_store(), forecast, speed)


def _earlier(store: str, runs: Backend, root: Path) -> Speed | None:
    """Return the speed of the latest sweep of a store that measured it."""
    for folder in reversed(folders(root)):
        record = Record.open(folder)
        if not isinstance(runs, record.sweep.launcher.load()):
            continue
        for each in record.forecasts():
            if each.store == store and each.speed.source == MEASURED:
                return each.speed
    return None


def price_per_hour(store: Store, hardware: str, root: Path) -> float | None:
    """Return the US dollars an hour of a GPU of the latest sweep of a store; None: unknown.

    It is that of a machine which has none. A sweep whose record cannot be read is passed over.

    Args:
        store: that the sweep's jobs commit to.
        hardware: on which alone they did, as commit markers call it.
        root: the folder of all sweeps.
    """
    for folder in reversed(folders(root)):
        try:
            record = Record.open(folder)
            for each in record.forecasts():
                dollars, hours = each.forecast.dollars, each.forecast.hours
                if dollars is None or not hours or canonical_url(each.store) != store.url:
                    continue
                if _hardware(record, each.store, store) == {hardware}:
                    return dollars / hours / each.speed.gpus
        except ClipvecError as error:
            log.warning("passed over: %s", error)
    return None


def _hardware(record: Record, url: str, store: Store) -> set[str]:
    """Return what embedded a sweep's shards; where these were joined to others, all shards."""
    own = [job for job in record.sweep.jobs if job.visible_store() == url]
    numbers = {shard for job in own for shard in in_store(job, store)}
    markers = store.committed(numbers) or store.committed()
    return {marker.hardware for marker in markers.values() if marker.embedded}


def measured_first(
    record: Record, speed: Speed, jobs: Sequence[Job], runs: Backend, progress: StoreProgress
) -> str:
    """Keep the forecast that follows from a sweep's first job; return it in a line.

    Args:
        record: the sweep.
        speed: of the first of ``jobs``.
        jobs: those that the sweep starts.
        runs: their backend.
        progress: of their stores.
    """
    store, of_one = next(iter(by_store(jobs).items()))
    images = images_of(of_one, progress)
    if images is None:
        return f"{describe(speed)}; no forecast: {UNKNOWN_IMAGES}"
    price, launcher = runs.price_per_hour(of_one[0]), record.sweep.launcher
    machine = Machine("", price, speed, fewest_gpus(of_one[0], runs))
    if not record.restarted:
        others = [each for each in record.forecasts() if each.store != store]
        record.save_forecasts([*others, _forecast(of_one, images, speed, price, launcher)])
    return summary(of_one, images, machine, [machine], launcher)


def compare(
    record: Record,
    running: Sequence[SubmittedJob],
    statuses: Sequence[Status],
    progress: StoreProgress,
) -> list[str]:
    """Return for each store of a sweep what was forecast, and what came out; keep the latter.

    Nothing is said of jobs that failed, or that were started again: how long those ran in all is
    not known. Nor is it of a pool's, whose machines start outside the times of jobs.

    Args:
        record: the sweep.
        running: jobs that have ended, of which those of other sweeps are passed over.
        statuses: theirs.
        progress: of their stores.
    """
    own = [
        (s.job, t)
        for s, t in zip(running, statuses, strict=True)
        if s.record.folder == record.folder
    ]
    stores = by_store([job for job, _ in own])
    kept, lines = [], []
    for each in record.forecasts():
        numbers = {job.number for job in stores.get(each.store, ())}
        ended = [(job, status) for job, status in own if job.number in numbers]
        succeeded = all(status.state is State.SUCCEEDED for _, status in ended)
        whole = len(ended) == each.forecast.jobs and not record.restarted
        comparable = succeeded and whole and not record.sweep.launcher.pooled
        took = _took(each, ended, progress) if comparable else None
        kept.append(took or each)
        if took is not None:
            lines.append(_comparison(each.forecast, took))
    if lines:
        record.save_forecasts(kept)
    return lines


def _took(
    each: StoreForecast, ended: Sequence[tuple[Job, Status]], progress: StoreProgress
) -> StoreForecast | None:
    """Return what the jobs of a store took, in place of their forecast; None: not known."""
    seconds = sum(status.seconds for _, status in ended)
    done = [progress.embedded(job) for job, _ in ended]
    images, embedding = sum(images for images, _ in done), sum(took for _, took in done)
    if not images or not embedding or not seconds:
        return None
    gpus = each.speed.gpus
    starting = max(0.0, seconds - embedding / gpus) / len(ended)
    speed = Speed(images / embedding, starting, MEASURED, gpus)
    before = each.forecast
    price = None if before.dollars is None else before.dollars / before.hours
    forecast = replace(
        before,
        hours=seconds / 3600,
        starting=starting * len(ended) / seconds,
        dollars=None if price is None else price * seconds / 3600,
    )
    return replace(each, forecast=forecast, speed=speed)


def _comparison(before: Forecast, took: StoreForecast) -> str:
    change = took.forecast.hours / before.hours - 1
    return (
        f"forecast: {before.describe()}; came out: {took.forecast.describe()} ({change:+.0%}; "
        f"{describe(took.speed)})"
    )
