"""The plan of a sweep: its jobs, the shards of each, and where they run."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any

from clipvec import shards
from clipvec.config import LAUNCHERS, LauncherKind, TrackingConfig, from_dict
from clipvec.tracking import RUN_VARIABLE, SWEEP_VARIABLE


@dataclass(frozen=True)
class Job:
    """One run of a command, with its own configuration."""

    number: int
    """Hydra's job number within the sweep."""
    overrides: tuple[str, ...]
    """In Hydra's grammar, without ``shards``, the launcher and the cloud."""
    shards: tuple[int, ...] = ()
    """Shards of `generation` to commit, or of a store to index; empty: the command takes none."""
    store: str = ""
    """The store that it commits to, a path or URL; empty for commands that commit no shards."""
    cloud: dict[str, Any] = field(default_factory=dict)
    """The ``cloud`` group of its configuration, as plain values."""
    folders: dict[str, str] = field(default_factory=dict)
    """Paths or URLs that must outlive its machine, by the option that names them."""
    extras: tuple[str, ...] = ()
    """Extras of clipvec that it needs, such as ``s3``."""
    images: int | None = None
    """Approximate number of images in its shards, if known without opening the dataset."""
    precision: str = ""
    """``model.precision``, if its machine decides what that means; empty otherwise."""
    inputs: dict[str, list[str]] = field(default_factory=dict)
    """Files and folders of a machine that it reads, by the option that names them."""
    urls: dict[str, list[str]] = field(default_factory=dict)
    """URLs that it reads, by the option that names them."""
    variables: dict[str, str] = field(default_factory=dict)
    """Environment variables that it needs, and why."""
    on_cpu: str = ""
    """The option by which it embeds on the CPU, whatever GPUs there are; empty: a GPU may."""
    arch: str = ""
    """open_clip architecture of its encoder; empty for commands that embed nothing."""
    generation: int | None = None
    """Generation of the store that its shards are of; None: not known before it is started."""
    reuse: str = ""
    """The store whose rows it takes over, a path or URL; empty: it takes over none."""

    @property
    def commits(self) -> bool:
        """Whether a store knows which of its shards are done."""
        return bool(self.shards and self.store)

    @property
    def uses_gpus(self) -> bool:
        """Whether its machine's GPUs embed, all that there are."""
        return bool(self.shards and self.precision)

    def visible_store(self) -> str:
        """Return the store as seen from this machine: a mounted bucket by its URL."""
        return self.visible(self.store)

    def visible(self, folder: str) -> str:
        """Return a folder of the job's machine as seen from this machine."""
        for target, mount in self.mounts().items():
            below = folder.removeprefix(target.rstrip("/") + "/")
            source = mount.get("source")
            if below != folder and isinstance(source, str) and "://" in source:
                return f"{source.rstrip('/')}/{below}"
        return folder

    def visible_input(self, place: str) -> str:
        """Return what the job reads as seen from this machine, what is copied to its own too."""
        for target, mount in self.cloud.get("file_mounts", {}).items():
            source = mount.get("source") if isinstance(mount, dict) else mount
            root = target.rstrip("/")
            if isinstance(source, str) and f"{place}/".startswith(f"{root}/"):
                return source.rstrip("/") + place.removeprefix(root)
        return place

    def mounts(self) -> dict[str, dict[str, Any]]:
        """Return the buckets that its machine mounts, without those that SkyPilot only copies."""
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
    """Module that ``python -m`` runs, such as ``clipvec.embed``."""
    launcher: Annotated[LauncherKind, LAUNCHERS]
    """The ``launcher`` group of the configuration."""
    jobs: tuple[Job, ...]
    tracking: TrackingConfig = field(default_factory=lambda: TrackingConfig(mode="disabled"))
    """The ``tracking`` group of the configuration."""
    begun: float = field(default_factory=time.time, compare=False)
    """Unix time of its first start; resuming does not change it."""

    def environment(self, job: Job) -> dict[str, str]:
        """Return the environment variables that tell a job its sweep, see `clipvec.tracking`."""
        run = self.name
        if not job.shards:
            run += f"-{job.number}"
        elif len({other.store for other in self.jobs}) > 1:  # the same shards of each
            run += "-" + "-".join(job.store.rsplit("/", 2)[-2:])
        return {SWEEP_VARIABLE: self.name, RUN_VARIABLE: run}

    def command(self, job: Job) -> list[str]:
        """Return the arguments of ``python`` for a job."""
        chosen = [f"shards='{shards.format(job.shards)}'"] if job.shards else []
        return ["-m", self.module, *job.overrides, "launcher=local", *self._tracked(job), *chosen]

    def _tracked(self, job: Job) -> list[str]:
        """Return the tracking override implied by the launcher, which jobs do not see."""
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
            ConfigError: the values are not a sweep.
        """
        return from_dict(values, cls)
