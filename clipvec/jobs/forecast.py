"""What the jobs of a store will take and cost, from how fast they start and embed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clipvec.jobs.backend import Machine, Speed
from clipvec.progress import counted, duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clipvec.config import LauncherKind
    from clipvec.jobs.backend import Backend
    from clipvec.jobs.plan import Job
    from clipvec.jobs.progress import StoreProgress

SHARE = 0.2
"""Largest share of a job's time that starting should take."""
MEASURED = "measured"
"""The source of a `Speed` that a sweep of the same store had."""


@dataclass(frozen=True)
class Forecast:
    """The time and the price of jobs."""

    jobs: int
    hours: float
    """Of all machines together."""
    starting: float
    """The share of them that is spent on starting."""
    dollars: float | None
    """None: prices are unknown."""

    @classmethod
    def of(
        cls, jobs: int, images: int, speed: Speed, price: float | None, launcher: LauncherKind
    ) -> Forecast:
        """Return the forecast for a number of jobs.

        Args:
            jobs: their number.
            images: in all of them.
            speed: of each.
            price: of a machine, in US dollars per hour; None: unknown.
            launcher: knows how many machines start for them.
        """
        starting = speed.starting * launcher.machines(jobs) / 3600
        hours = starting + images / speed.of_machine / 3600
        return cls(jobs, hours, starting / hours, None if price is None else hours * price)

    def describe(self) -> str:
        """Return its figures in words."""
        said = f"{self.hours:{',.1f' if self.hours >= 1 else '.2g'}} machine hours"
        if self.dollars is not None:
            said += f", ${self.dollars:,.2f}"
        return f"{said}, {self.starting:.0%} of it starting"


@dataclass(frozen=True)
class StoreForecast:
    """The forecast for the jobs of a sweep that commit to one store."""

    store: str
    """As seen from this machine."""
    forecast: Forecast
    speed: Speed
    """From which the forecast was made; once the sweep has ended, the one that it had."""


def describe(speed: Speed) -> str:
    """Return a speed in words."""
    started, each = duration(speed.starting), ""
    if speed.gpus > 1:
        each = f" on each of {speed.gpus:.3g} GPUs"
    rate = f"{speed.images_per_s:,.1f} images/s{each}"
    return f"{rate}, {started} from start to image: {speed.source}"


def summary(
    jobs: Sequence[Job],
    images: int,
    machine: Machine,
    possible: Sequence[Machine],
    launcher: LauncherKind,
) -> str:
    """Return in a line what the jobs of a store will take, and what fewer of them would.

    Args:
        jobs: of one store.
        images: in all of them.
        machine: that they are expected to get; its speed is known.
        possible: those that they may get.
        launcher: of their sweep.
    """
    assert machine.speed is not None
    forecast = Forecast.of(len(jobs), images, machine.speed, machine.price, launcher)
    on = f" on {machine.label}" if machine.name else ""
    line = f"forecast for {counted(len(jobs), 'job')}{on}: {forecast.describe()}"
    count, _ = number_of_jobs(jobs, images, possible, launcher)
    if count < len(jobs):
        full = replace(machine.speed, gpus=machine.gpus)
        fewer = Forecast.of(count, images, full, machine.price, launcher)
        line += f"; hydra.sweeper.shards_per_job=auto: {counted(count, 'job')}, {fewer.describe()}"
    return f"{line} ({describe(machine.speed)})"


def number_of_jobs(
    jobs: Sequence[Job], images: int, possible: Sequence[Machine], launcher: LauncherKind
) -> tuple[int, Machine]:
    """Return the most jobs of which each spends at most `SHARE` on starting, at least one.

    With them comes the machine that decides, on which images are done soonest. In a pool jobs
    start no machines, and there is one for each shard, or for as many as there are GPUs.

    Args:
        jobs: of which the shards count.
        images: in all of them.
        possible: the machines that they may get, of which one's speed is known at least.
        launcher: of their sweep.
    """
    shards = sum(len(job.shards) for job in jobs)
    counts = []
    for machine in possible:
        if (speed := machine.speed) is None:
            continue
        alone = launcher.machines(shards) == shards
        starting = speed.starting if alone else 0.0
        enough = starting * (1 / SHARE - 1) * speed.images_per_s * shards / images
        counts.append((max(1, shards // (machine.gpus * max(1, math.ceil(enough)))), machine))
    return min(counts, key=lambda pair: pair[0])


def by_store(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """Return the jobs that commit shards, by their stores: one dataset and one model each."""
    stores: dict[str, list[Job]] = {}
    for job in jobs:
        if job.commits:
            stores.setdefault(job.visible_store(), []).append(job)
    return stores


def images_of(jobs: Sequence[Job], progress: StoreProgress) -> int | None:
    """Return the approximate number of images of jobs of one store; None: unknown.

    Where the configuration does not give it, shards are taken to have as many as committed ones.
    """
    known = [job.images for job in jobs if job.images is not None]
    if len(known) == len(jobs):
        return max(1, sum(known))
    average = progress.images_per_shard(jobs[0])
    shards = sum(len(job.shards) for job in jobs)
    return None if average is None else max(1, round(average * shards))


def machines(
    jobs: Sequence[Job], runs: Backend, progress: StoreProgress, earlier: Speed | None
) -> list[Machine]:
    """Return the machines that jobs may get, with what was measured in place of public figures.

    Args:
        jobs: of one store.
        runs: their backend.
        progress: of their store, which knows the images/s of each kind of hardware.
        earlier: measured by a sweep of the store, on any machine; None: unknown.
    """
    rates, found = progress.rates(jobs[0]), runs.machines(jobs[0])
    if earlier is not None and len(found) == 1 and _rate(found[0].name, rates) is None:
        rates = {found[0].name: earlier.images_per_s}
    measured = [_measured(machine, rates, earlier) for machine in found]
    return [
        replace(each, speed=each.speed and replace(each.speed, gpus=at_work(jobs, each.gpus)))
        for each in measured
    ]


def at_work(jobs: Sequence[Job], gpus: int) -> float:
    """Return how many of a machine's GPUs jobs use on average: a shard is on one of them."""
    rounds = sum(math.ceil(len(job.shards) / gpus) for job in jobs)
    return sum(len(job.shards) for job in jobs) / rounds if rounds else 1.0


def fewest_gpus(job: Job, runs: Backend) -> int:
    """Return the number of GPUs that the machine of a job has at least."""
    return min((machine.gpus for machine in runs.machines(job)), default=1)


def _measured(machine: Machine, rates: Mapping[str, float], earlier: Speed | None) -> Machine:
    public, rate = machine.speed, _rate(machine.name, rates)
    speed = public
    if rate is not None and earlier is not None:
        speed = Speed(rate, earlier.starting, MEASURED)
    elif rate is not None and public is not None:
        speed = Speed(rate, public.starting, "images/s measured")
    elif earlier is not None and public is not None:
        speed = Speed(public.images_per_s, earlier.starting, "start measured")
    return replace(machine, speed=speed)


def _rate(machine: str, rates: Mapping[str, float]) -> float | None:
    """Return the images/s that were measured on a machine: ``T4`` is ``Tesla T4``."""
    name = machine.lower()
    short = name.partition("-")[0]  # A100-80GB is NVIDIA A100-SXM4-80GB
    measured = [
        rate
        for hardware, rate in rates.items()
        if name == hardware.lower() or short in re.split(r"[\s-]", hardware.lower())
    ]
    return max(measured, default=None)


def likely(found: Sequence[Machine]) -> Machine | None:
    """Return the machine that jobs are expected to get: the cheapest, or else the fastest.

    The faster a machine, the longer its jobs have to be. None: no speed is known.
    """
    known = [machine for machine in found if machine.speed is not None]
    return min(known, key=_price_or_slowness, default=None)


def _price_or_slowness(machine: Machine) -> tuple[float, float]:
    assert machine.speed is not None
    return math.inf if machine.price is None else machine.price, -machine.speed.of_machine
