"""Turns the jobs of a sweep into SkyPilot tasks: pure, without importing SkyPilot."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from clipvec import paths, shards, version
from clipvec.config import SkyLauncher
from clipvec.jobs.skypilot import workdir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from clipvec.jobs.plan import Job, Sweep


@dataclass(frozen=True)
class Submission:
    """Jobs that differ only in their shards: one request to SkyPilot."""

    name: str
    jobs: tuple[Job, ...]
    """In the order of their ranks."""
    task: dict[str, Any]
    """What ``sky jobs launch`` accepts as YAML, without the values of secrets."""

    @property
    def num_jobs(self) -> int:
        """Number of jobs it starts."""
        return len(self.jobs)

    @property
    def secrets(self) -> list[str]:
        """Names of environment variables passed to the jobs as secrets."""
        return list(self.task.get("secrets", {}))


def tasks(sweep: Sweep, jobs: Sequence[Job], packed: Path) -> list[Submission]:
    """Return the submissions for ``jobs`` of a sweep.

    Args:
        sweep: names the tasks and the command.
        jobs: those to start.
        packed: the folder that `workdir.pack` wrote.
    """
    groups = [list(group) for _, group in groupby(jobs, key=_all_but_shards)]
    return [_submission(sweep, group, packed, alone=len(groups) == 1) for group in groups]


def _all_but_shards(job: Job) -> tuple[object, ...]:
    return job.overrides, repr(job.cloud), job.extras, bool(job.shards)


def _submission(sweep: Sweep, jobs: Sequence[Job], packed: Path, *, alone: bool) -> Submission:
    cloud, extras = jobs[0].cloud, jobs[0].extras
    name = f"clipvec-{sweep.name}"
    if not alone:
        name += f"-{shards.format(s for job in jobs for s in job.shards) or jobs[0].number}"
    task = install_and_run(
        name,
        _key(sweep),
        cloud,
        packed,
        extras,
        _run(sweep, jobs),
        sweep.environment(jobs[0]),
    )
    if makes_pool(sweep):
        for key in ("workdir", "setup", "file_mounts"):  # the pool's
            task.pop(key, None)
    elif pool(sweep):
        # SkyPilot sends a job's workdir to a pool's machines, but runs no setup and mounts nothing.
        task["run"] = task.pop("setup") + task["run"]
    return Submission(task["name"], tuple(jobs), task)


def pool_task(sweep: Sweep, jobs: Sequence[Job], packed: Path) -> dict[str, Any]:
    """Return the pool that is made for ``jobs`` of a sweep, as ``sky jobs pool apply`` accepts it.

    Args:
        sweep: with ``launcher.pool=auto``.
        jobs: those that it is made for, all on the same kind of machine.
        packed: the folder that `workdir.pack` wrote.
    """
    name, cloud = f"clipvec-{sweep.name}", jobs[0].cloud
    task = install_and_run(name, _key(sweep), cloud, packed, jobs[0].extras, "", {})
    for extras in sorted({job.extras for job in jobs} - {jobs[0].extras}):
        task["setup"] += workdir.install(cloud, _key(sweep), extras)
    del task["run"]
    task["resources"] = _of_a_pool(task["resources"])
    return {**task, "pool": {"workers": machines_at_once(sweep, sweep.jobs)}}


def machines_at_once(sweep: Sweep, jobs: Sequence[Job]) -> int:
    """Return how many machines start for jobs: none in a pool that there is already."""
    if makes_pool(sweep):
        assert isinstance(sweep.launcher, SkyLauncher)
        return min(sweep.launcher.pool_workers, len(jobs))
    return 0 if pool(sweep) else len(jobs)


def _of_a_pool(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return resources as SkyPilot's pools take them.

    Their machines are all spot machines or none is, and are replaced when they go away.
    """
    made = {key: value for key, value in resources.items() if key != "job_recovery"}
    if listed := made.get("any_of"):
        made["any_of"] = [x for x in listed if x.get("use_spot") == listed[0].get("use_spot")]
    return made


def install_and_run(
    name: str,
    key: str,
    cloud: Mapping[str, Any],
    packed: Path,
    extras: Sequence[str],
    run: str,
    envs: Mapping[str, str],
) -> dict[str, Any]:
    """Return a SkyPilot task that installs the running code and then runs a script.

    Args:
        name: of the task; characters that SkyPilot does not allow become dots.
        key: distinguishes its environment from others on the same machine.
        cloud: the ``cloud`` group; those of its secrets that are set enter the task by name.
        packed: the folder that `workdir.pack` wrote.
        extras: of clipvec.
        run: the script.
        envs: environment variables.
    """
    resources = {k: v for k, v in cloud.get("resources", {}).items() if v is not None}
    if cloud.get("image"):
        resources["image_id"] = cloud["image"]
    task: dict[str, Any] = {
        "name": re.sub(r"[^A-Za-z0-9._-]", ".", name),
        "resources": resources,
        "workdir": str(packed),
        "setup": workdir.setup(cloud, key, extras),
        "run": workdir.run(run, key, extras),
        "envs": {**envs, version.VARIABLE: version.version()},
        "file_mounts": cloud.get("file_mounts", {}),
        "secrets": {name: None for name in cloud.get("secrets", []) if os.environ.get(name)},
    }
    return {key: value for key, value in task.items() if value}


def _key(sweep: Sweep) -> str:
    return f"{sweep.name}-{version.version()}"


def _run(sweep: Sweep, jobs: Sequence[Job]) -> str:
    """Return the script of the jobs: each picks its shards by its rank."""
    command = ["python", *sweep.command(replace(jobs[0], shards=()))]
    if jobs[0].uses_gpus:
        command[1:1] = ["-m", "clipvec.jobs.skypilot.each_gpu"]
    line = f"exec {shlex.join(command)}"  # exec, so that SIGTERM reaches it
    if not jobs[0].shards:
        return f"{line}\n"
    specs = " ".join(shlex.quote(shards.format(job.shards)) for job in jobs)
    return f"shards=({specs})\n{line} \"shards='${{shards[${{SKYPILOT_JOB_RANK:-0}}]}}'\"\n"


def pool(sweep: Sweep) -> str | None:
    """Return the SkyPilot pool that the jobs of a sweep are sent to."""
    if makes_pool(sweep):
        return re.sub(r"[^A-Za-z0-9._-]", ".", f"clipvec-{sweep.name}")
    return sweep.launcher.pool if isinstance(sweep.launcher, SkyLauncher) else None


def makes_pool(sweep: Sweep) -> bool:
    """Return whether that pool is made for the sweep."""
    return isinstance(sweep.launcher, SkyLauncher) and sweep.launcher.pool == "auto"


def describe(cloud: Mapping[str, Any]) -> str:
    """Return the resources of a job in one line."""
    resources = dict(cloud.get("resources", {}))
    alternatives = resources.pop("any_of", None) or []
    resources.pop("job_recovery", None)
    gpus = resources.pop("accelerators", None)
    if isinstance(gpus, dict):
        gpus = "|".join(f"{name}:{count}" for name, count in gpus.items())
    elif isinstance(gpus, list):
        gpus = "|".join(map(str, gpus))
    spot = {a.get("use_spot") for a in alternatives} | {resources.pop("use_spot", None)}
    words = [str(resources.pop("infra", None) or cloud.get("name", "")), gpus]
    words += [f"{key} {value}" for key, value in resources.items() if value is not None]
    if True in spot:
        words.append("spot, else on demand" if False in spot else "spot")
    return ", ".join(str(word) for word in words if word)


def write(submission: Submission, folder: Path, number: int) -> Path:
    """Write a submission's task as YAML into the sweep's folder and return the file."""
    file = paths.SweepPaths(folder).task(number)
    file.write_text(as_yaml(submission.task), encoding="utf-8")
    return file


def as_yaml(task: Mapping[str, Any]) -> str:
    """Return a task as SkyPilot's YAML."""
    import yaml

    return yaml.safe_dump(dict(task), sort_keys=False, width=100)


def read(file: Path) -> dict[str, Any]:
    """Return the task of a YAML file."""
    import yaml

    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))
