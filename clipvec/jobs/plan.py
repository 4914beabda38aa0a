"""What a sweep is: the jobs, which shards each does, and where."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from clipvec import shards
from clipvec.config import LAUNCHERS, LauncherKind, TrackingConfig, from_dict
from clipvec.tracking import RUN_VARIABLE, SWEEP_VARIABLE


@dataclass(frozen=True)
class Job:
    """One run of a command, with configuration of its own."""

    number: int
    """Hydra's job number within the sweep."""
    overrides: tuple[str, ...]
    """In Hydra's grammar, without ``shards``, the launcher and the cloud."""
    shards: tuple[int, ...] = ()
    """What it is to commit in the store; empty for commands that commit no shards."""
    store: str = ""
    """The store that it commits to, a path or URL; empty for commands that commit no shards."""
    cloud: dict[str, Any] = field(default_factory=dict)
    """The ``cloud`` group of its configuration, as plain values."""
    folders: dict[str, str] = field(default_factory=dict)
    """Paths or URLs that have to outlive its machine, by the option that names them."""
    extras: tuple[str, ...] = ()
    """Extras of clipvec that it needs, such as ``s3``."""
    images: int | None = None
    """Images of its shards, about, where that is known without opening the dataset."""

    def visible_store(self) -> str:
        """Return the store as it is seen from here: a mounted bucket by its URL."""
        return self.visible(self.store)

    def visible(self, folder: str) -> str:
        """Return a folder of the job's machine as it is seen from here."""
        for target, mount in self.mounts().items():
            below = folder.removeprefix(target.rstrip("/") + "/")
            source = mount.get("source")
            if below != folder and isinstance(source, str) and "://" in source:
                return f"{source.rstrip('/')}/{below}"
        return folder

    def mounts(self) -> dict[str, dict[str, Any]]:
        """Return the buckets that its machine mounts; what SkyPilot only copies is left out."""
        mounts = self.cloud.get("file_mounts", {})
        return {
            target: mount
            for target, mount in mounts.items()
            if isinstance(mount, dict) and mount.get("mode") != "COPY"
        }


@dataclass(frozen=True)
class Sweep:
    """The jobs of one command line."""

    name: str
    """Name of its folder; SkyPilot's jobs are called ``clipvec-<name>``."""
    module: str
    """What ``python -m`` runs, such as ``clipvec.embed``."""
    launcher: Annotated[LauncherKind, LAUNCHERS]
    """The ``launcher`` group of the configuration."""
    jobs: tuple[Job, ...]
    tracking: TrackingConfig = field(default_factory=lambda: TrackingConfig(mode="disabled"))
    """The ``tracking`` group of the configuration."""
    begun: float = field(default_factory=time.time, compare=False)
    """Seconds since 1970 at which it was first started; whoever resumes it leaves that as it is."""

    def environment(self, job: Job) -> dict[str, str]:
        """Return what a job's environment says of its sweep: see `clipvec.tracking`."""
        run = self.name
        if not job.shards:
            run += f"-{job.number}"
        elif len({other.store for other in self.jobs}) > 1:  # the same shards of each
            run += "-" + "-".join(job.store.rsplit("/", 2)[-2:])
        return {SWEEP_VARIABLE: self.name, RUN_VARIABLE: run}

    def command(self, job: Job) -> list[str]:
        """Return the arguments behind ``python`` that do a job."""
        chosen = [f"shards='{shards.format(job.shards)}'"] if job.shards else []
        return ["-m", self.module, *job.overrides, "launcher=local", *self._tracked(job), *chosen]

    def _tracked(self, job: Job) -> list[str]:
        """Return the choice of tracking that came with the launcher, which jobs do not have."""
        given = any(override.lstrip("+~").startswith("tracking=") for override in job.overrides)
        return (
            [] if given or self.tracking.mode == "disabled" else [f"tracking={self.tracking.mode}"]
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Sweep:
        """Return the sweep that `to_json` wrote.

        Raises:
            ConfigError: it wrote something else.
        """
        return from_dict(values, cls)
