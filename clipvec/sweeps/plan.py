"""What a sweep is: the jobs, which shards each does, and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from clipvec import shards
from clipvec.config import from_dict


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
    extras: tuple[str, ...] = ()
    """Extras of clipvec that it needs, such as ``s3``."""
    images: int | None = None
    """Images of its shards, about, where that is known without opening the dataset."""

    def visible_store(self) -> str:
        """Return the store as it is seen from here: a mounted bucket by its URL."""
        for target, source in self.cloud.get("file_mounts", {}).items():
            bucket = source.get("source") if isinstance(source, dict) else source
            below = self.store.removeprefix(target.rstrip("/") + "/")
            if below != self.store and isinstance(bucket, str) and "://" in bucket:
                return f"{bucket.rstrip('/')}/{below}"
        return self.store


@dataclass(frozen=True)
class Sweep:
    """The jobs of one command line."""

    name: str
    """Name of its folder; SkyPilot's jobs are called ``clipvec-<name>``."""
    module: str
    """What ``python -m`` runs, such as ``clipvec.embed``."""
    backend: str
    """``sky`` or ``workers``."""
    jobs: tuple[Job, ...]
    options: dict[str, Any] = field(default_factory=dict)
    """The ``launcher`` group of the configuration, as plain values."""

    def command(self, job: Job) -> list[str]:
        """Return the arguments behind ``python`` that do a job."""
        chosen = [f"shards='{shards.format(job.shards)}'"] if job.shards else []
        return ["-m", self.module, *job.overrides, "launcher=local", *chosen]

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
