"""The ``launcher`` group: what starts the jobs of a sweep."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from clipvec.config.fields import STRICT
from clipvec.config.kinds import Kind, Registry


@dataclass(frozen=True, config=STRICT)
class LocalLauncher(Kind):
    """Hydra's own launcher: jobs run in this process, one after the other."""

    kind: Literal["local"] = "local"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class LauncherKind(Kind):
    """A launcher whose jobs outlive this process: `loads` names a `clipvec.jobs.Backend`."""

    wait: bool = True
    """Wait until all jobs have ended, and show their progress."""
    dry_run: bool = False
    """Show what would start, without starting it."""
    force: bool = False
    """Also start shards that are committed, or that another job is working on."""
    first: Annotated[int, Field(ge=0)] = 0
    """Start this many jobs alone; when they have written parts, print from their speed what the
    sweep will take and cost, and start the others. 0: all at once."""

    @property
    def pooled(self) -> bool:
        """Whether machines start apart from the jobs that share them."""
        return False

    def machines(self, jobs: int) -> int:
        """Return how many machines start for a number of jobs: one for each."""
        return jobs

    def resources(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return those of ``cloud.resources`` that its machines may have: all."""
        return given


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WorkersLauncher(LauncherKind):
    """Jobs are processes on this machine."""

    loads = "clipvec.jobs.workers.backend:Workers"
    kind: Literal["workers"] = "workers"
    processes: Annotated[int, Field(ge=0, le=1024)] = 0
    """Number of concurrent processes; 0: one per GPU, or one if there is none."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SkyLauncher(LauncherKind):
    """Jobs are SkyPilot managed jobs."""

    loads = "clipvec.jobs.skypilot.backend:Sky"
    kind: Literal["sky"] = "sky"
    pool: str | None = None
    """SkyPilot pool to send jobs to; auto: one that is made for the sweep, and taken down at its
    end; null: a machine for each job."""
    pool_workers: Annotated[int, Field(ge=1)] = 8
    """Number of machines of ``launcher.pool=auto``, if there are as many jobs."""

    @property
    def pooled(self) -> bool:
        """Whether machines start apart from the jobs that share them."""
        return self.pool is not None

    @property
    def makes_pool(self) -> bool:
        """Whether the pool is made for the sweep."""
        return self.pool == "auto"

    def machines(self, jobs: int) -> int:
        """Return how many machines start for a number of jobs: none in a pool that there is."""
        if not self.pooled:
            return jobs
        return min(self.pool_workers, jobs) if self.makes_pool else 0

    def resources(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return those that its machines may have: in a pool all are spot machines, or none is."""
        listed = given.get("any_of")
        if not (self.makes_pool and listed):
            return given
        spot = listed[0].get("use_spot")
        return given | {"any_of": [each for each in listed if each.get("use_spot") == spot]}


LAUNCHERS: Registry[Kind] = Registry(
    "clipvec.launchers", (LocalLauncher, WorkersLauncher, SkyLauncher)
)
LauncherConfig = Annotated[Kind, LAUNCHERS]
