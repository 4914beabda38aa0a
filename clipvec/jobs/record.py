"""A sweep's folder: the plan, and the ids of its started jobs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipvec import files, paths
from clipvec.config import from_dict
from clipvec.errors import ConfigError, SchemaError
from clipvec.jobs.forecast import StoreForecast
from clipvec.jobs.plan import Sweep

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clipvec.jobs.plan import Job

LATEST = "latest"
_SCHEMA = 1
"""Schema number of ``forecast.json``."""
_MEND = "remove it: nothing but the speeds in it is lost, which the next sweep measures anew"


class Record:
    """One sweep on disk."""

    def __init__(self, folder: Path, sweep: Sweep) -> None:
        self.folder = folder
        self.paths = paths.SweepPaths(folder)
        self.sweep = sweep

    @classmethod
    def create(cls, folder: Path, sweep: Sweep) -> Record:
        """Write a sweep into its own ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(sweep.to_json(), indent=1)
        paths.SweepPaths(folder).sweep.write_text(text, encoding="utf-8")
        return cls(folder, sweep)

    @staticmethod
    def exists(folder: Path) -> bool:
        """Return whether there is a sweep in ``folder``."""
        return paths.SweepPaths(folder).sweep.is_file()

    @classmethod
    def open(cls, folder: Path) -> Record:
        """Return the sweep in ``folder``.

        Raises:
            ConfigError: it is damaged.
        """
        file = paths.SweepPaths(folder).sweep
        try:
            return cls(folder, Sweep.from_json(json.loads(file.read_text(encoding="utf-8"))))
        except (OSError, ValueError, ConfigError) as error:
            raise ConfigError(
                f"{file} is not a sweep ({error}); remove the folder and start the sweep again: "
                "shards that are committed are not done twice"
            ) from error

    @classmethod
    def find(cls, name: str, root: Path) -> Record:
        """Return a sweep by its name or folder, or the ``latest``.

        Raises:
            ConfigError: there is none.
        """
        known = folders(root)
        if name == LATEST:
            if not known:
                raise ConfigError(
                    f"no sweep yet in {root}; clipvec embed -m launcher=... starts one"
                )
            return cls.open(known[-1])
        for folder in (root / name, Path(name)):
            if cls.exists(folder):
                return cls.open(folder)
        names = ", ".join(folder.name for folder in known[-5:]) or "none yet"
        raise ConfigError(f"no sweep {name!r} in {root} (latest: {names})")

    def started(self) -> list[SubmittedJob]:
        """Return the started jobs, each with its newest id and its shards at that time."""
        jobs = {job.number: job for job in self.sweep.jobs}
        newest = {entry["job"]: entry for entry in self._entries()}
        return [
            SubmittedJob(self, replace(jobs[number], shards=tuple(entry["shards"])), entry["id"])
            for number, entry in sorted(newest.items())
        ]

    @property
    def restarted(self) -> bool:
        """Whether a job was started more than once."""
        return len(self._entries()) > len(self.started())

    def _entries(self) -> list[dict[str, Any]]:
        """Return what `save_ids` wrote, oldest first."""
        try:
            lines = self.paths.ids.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def forecasts(self) -> list[StoreForecast]:
        """Return what `save_forecasts` wrote last; empty: nothing.

        Raises:
            ConfigError: it is damaged, or another version of clipvec wrote it.
        """
        file = self.paths.forecast
        try:
            values = files.from_json(file.read_bytes(), _SCHEMA, file, _MEND, sealed=True)
            return [from_dict(each, StoreForecast) for each in values["forecasts"]]
        except FileNotFoundError:
            return []
        except SchemaError:
            raise
        except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
            raise ConfigError(f"{file} is damaged ({error}); {_MEND}") from error

    def save_forecasts(self, forecasts: Iterable[StoreForecast]) -> None:
        """Save the forecasts of the sweep, one for each store."""
        values = {"forecasts": [asdict(each) for each in forecasts]}
        files.write_atomically(self.paths.forecast, files.to_json(values, _SCHEMA, sealed=True))

    def save_ids(self, ids: Mapping[int, str], jobs: Iterable[Job]) -> None:
        """Save the ids of started ``jobs``; they are on disk when this returns."""
        with self.paths.ids.open("a", encoding="utf-8") as file:
            for job in jobs:
                if job.number in ids:
                    entry = {"job": job.number, "id": ids[job.number], "shards": job.shards}
                    file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True)
class SubmittedJob:
    """A job with its id, in the sweep that started it."""

    record: Record
    job: Job
    id: str


def folders(root: Path) -> list[Path]:
    """Return the folders of all sweeps below ``root``, oldest first."""
    sweeps = [paths.SweepPaths(folder).sweep for folder in root.glob("*") if folder.is_dir()]
    return [f.parent for f in sorted((f for f in sweeps if f.is_file()), key=_written)]


def _written(file: Path) -> tuple[int, str]:
    return file.stat().st_mtime_ns, file.parent.name
