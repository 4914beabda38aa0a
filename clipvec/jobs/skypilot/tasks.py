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
from clipvec.jobs.skypilot import gpus, workdir

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
    task["resources"].pop("job_recovery", None)  # its machines are replaced when they go away
    return {**task, "pool": {"workers": sweep.launcher.machines(len(sweep.jobs))}}


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
    return isinstance(sweep.launcher, SkyLauncher) and sweep.launcher.makes_pool


def describe(cloud: Mapping[str, Any]) -> str:
    """Return the resources of a job in one line, each alternative with what it alone asks for."""
    alike: dict[str, set[bool]] = {}
    for each in gpus.alternatives(cloud):
        spot = bool(each.pop("use_spot", None))
        alike.setdefault(_words(each, str(cloud.get("name", ""))), set()).add(spot)
    ends = {(True,): ", spot", (False, True): ", spot, else on demand"}
    return " or ".join(text + ends.get(tuple(sorted(spots)), "") for text, spots in alike.items())


def _words(resources: dict[str, Any], name: str) -> str:
    """Return one alternative in words: where, GPUs, and the rest."""
    wanted = resources.pop("accelerators", None)
    if isinstance(wanted, dict):
        wanted = [f"{gpu}:{count}" for gpu, count in wanted.items()]
    listed = "|".join(map(str, wanted)) if isinstance(wanted, list) else wanted
    words = [resources.pop("infra", None) or name, listed]
    words += [
        f"{key} {value}"
        for key, value in resources.items()
        if value is not None and key != "job_recovery"
    ]
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
