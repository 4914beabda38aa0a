"""Runs the jobs of a sweep: the interface of every launcher's backend."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from clipvec.jobs.plan import Job, Sweep
    from clipvec.jobs.record import Record


class State(StrEnum):
    """State of a job."""

    PENDING = "pending"
    RUNNING = "running"
    RECOVERING = "recovering"
    SUCCEEDED = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether it is final."""
        return self in {State.SUCCEEDED, State.FAILED, State.CANCELLED}


@dataclass(frozen=True)
class Status:
    """A job's status according to its backend; only the store knows which shards are committed."""

    state: State
    detail: str = ""
    """The backend's own message, such as ``FAILED_NO_RESOURCE: ...``, or an exit code."""
    recoveries: int = 0
    """Number of restarts."""
    seconds: float = field(default=0.0, compare=False)
    """Time in use of its machine, from its start, over all starts that its backend knows."""


@dataclass(frozen=True)
class Preview:
    """What a backend has to say about jobs before they start."""

    refusals: list[str] = field(default_factory=list)
    """Why they would not start, each reason with its fix."""
    lines: list[str] = field(default_factory=list)
    """What would be done, for the user to read."""


@dataclass(frozen=True)
class Speed:
    """How fast jobs start and embed."""

    images_per_s: float
    """Of one GPU, or of the processor of a machine that has none."""
    starting: float
    """Seconds from a job's submission to its first image: queue, machine, installation, weights."""
    source: str = "public figures"
    """Where these come from, in words."""
    gpus: float = 1.0
    """How many of a machine's GPUs are at work, on average."""

    @property
    def of_machine(self) -> float:
        """Images/s of a job."""
        return self.images_per_s * self.gpus


@dataclass(frozen=True)
class Machine:
    """A machine that a job may get."""

    name: str
    """Of its GPU, or of its processor if it has none."""
    price: float | None
    """Lowest price in US dollars per hour; None: unknown."""
    speed: Speed | None
    """None: unknown."""
    gpus: int = 1
    """How many it has."""

    @property
    def label(self) -> str:
        """Its name as SkyPilot writes it: ``L4``, or ``L4:4``."""
        return f"{self.name}:{self.gpus}" if self.gpus > 1 else self.name


class Backend(ABC):
    """Runs jobs; every job has an id that outlives this process."""

    poll_seconds = 1.0
    """Time between two polls of the same jobs."""

    @abstractmethod
    def submit(
        self, record: Record, jobs: Sequence[Job], saved: Callable[[Mapping[int, str]], None]
    ) -> None:
        """Start ``jobs`` of the sweep; call ``saved`` with ids by job number as they are known.

        Raises:
            LaunchError: with the fix; jobs whose ids were saved are submitted nonetheless.
        """

    @abstractmethod
    def poll(self, record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        """Return the status of jobs by job number; jobs unknown to the backend are left out."""

    @abstractmethod
    def logs(self, record: Record, job: int, id: str, *, follow: bool) -> Iterator[str]:
        """Yield the lines of a job's log; with ``follow``, until the job ends."""

    @abstractmethod
    def cancel(self, record: Record, ids: Mapping[int, str]) -> None:
        """Ask jobs to stop; finished parts of their shards are kept."""

    def release(self, record: Record) -> None:  # noqa: B027  # most share nothing
        """Give back the machines that the jobs of a sweep shared, when all of them have ended.

        Raises:
            LaunchError: with how to give them back.
        """

    def machine(self, job: Job) -> str:
        """Return a short description of the machine a job runs on."""
        return str(job.cloud.get("name", ""))

    def price_per_hour(self, job: Job) -> float | None:
        """Return the lowest price of a job's machine in US dollars per hour; None: unknown."""
        return None

    def machines(self, job: Job) -> list[Machine]:
        """Return the machines that a job may get, as far as their GPUs are known."""
        return []

    def precision(self, job: Job) -> str | None:
        """Return the precision that is native to any machine a job may get; None: unknown."""
        return None

    def preview(self, sweep: Sweep, jobs: Sequence[Job], folder: Path) -> Preview:
        """Return what starting ``jobs`` would do; files go to ``folder``, which may not exist."""
        return Preview()
