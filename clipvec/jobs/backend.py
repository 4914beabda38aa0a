"""What runs the jobs of a sweep: the interface of every launcher's backend."""

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
    """How a job stands."""

    PENDING = "pending"
    RUNNING = "running"
    RECOVERING = "recovering"
    SUCCEEDED = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether it stays so."""
        return self in {State.SUCCEEDED, State.FAILED, State.CANCELLED}


@dataclass(frozen=True)
class Status:
    """What a backend says of a job; whether its shards are committed, only the store says."""

    state: State
    detail: str = ""
    """The backend's own words, such as ``FAILED_NO_RESOURCE: ...``, or an exit code."""
    recoveries: int = 0
    """How often it was started again."""
    seconds: float = field(default=0.0, compare=False)
    """How long it has worked, over all of its starts, as far as its backend knows."""


class Backend(ABC):
    """Runs jobs; every job has an id that outlives this process."""

    poll_seconds = 1.0
    """Time between two questions about the same jobs."""

    @abstractmethod
    def submit(
        self, record: Record, jobs: Sequence[Job], saved: Callable[[Mapping[int, str]], None]
    ) -> None:
        """Start ``jobs`` of the sweep; call ``saved`` with ids by job number as they are known.

        Raises:
            LaunchError: with what mends it; what was saved is submitted all the same.
        """

    @abstractmethod
    def poll(self, record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        """Return how jobs stand, by job number; one that the backend does not know is missing."""

    @abstractmethod
    def logs(self, record: Record, job: int, id: str, *, follow: bool) -> Iterator[str]:
        """Yield the lines of a job's log; with ``follow`` until it ends."""

    @abstractmethod
    def cancel(self, record: Record, ids: Mapping[int, str]) -> None:
        """Ask jobs to stop; finished parts of their shards are kept."""

    def machine(self, job: Job) -> str:
        """Return what a job runs on, in a few words."""
        return str(job.cloud.get("name", ""))

    def price_per_hour(self, job: Job) -> float | None:
        """Return the least US dollars an hour of a job's machine; None: unknown."""
        return None

    def preview(self, sweep: Sweep, jobs: Sequence[Job], folder: Path) -> Iterator[str]:
        """Yield what a dry run adds to its table; files go to ``folder``, which may not exist."""
        yield from ()
