"""From the jobs of a sweep to what SkyPilot is to run: pure, without SkyPilot."""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from clipvec import paths, shards
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from clipvec.sweeps.plan import Job, Sweep

WHEEL_FOLDER = "~/clipvec-wheel"
"""Where a job's machine gets the wheel of the code that launched it."""
_SHARED = {"slurm", "kubernetes"}
"""Clouds whose machines may share a folder with this one."""


@dataclass(frozen=True)
class Submission:
    """Jobs that differ in nothing but their shards: one request to SkyPilot."""

    name: str
    jobs: tuple[Job, ...]
    """In the order of their ranks."""
    task: dict[str, Any]
    """What ``sky jobs launch`` accepts as YAML; secrets have no values in it."""

    @property
    def num_jobs(self) -> int:
        """How many jobs it starts."""
        return len(self.jobs)

    @property
    def secrets(self) -> list[str]:
        """Names of the environment variables that the jobs get as secrets."""
        return list(self.task.get("secrets", {}))


def tasks(sweep: Sweep, jobs: Sequence[Job], wheel: Path) -> list[Submission]:
    """Return what has to be submitted for ``jobs`` of a sweep.

    Args:
        sweep: names the tasks and the command.
        jobs: those to start.
        wheel: the file that jobs install clipvec from.
    """
    groups = [list(group) for _, group in groupby(jobs, key=_all_but_shards)]
    return [_submission(sweep, group, wheel, alone=len(groups) == 1) for group in groups]


def _all_but_shards(job: Job) -> tuple[object, ...]:
    return job.overrides, repr(job.cloud), job.extras, bool(job.shards)


def _submission(sweep: Sweep, jobs: Sequence[Job], wheel: Path, *, alone: bool) -> Submission:
    cloud, extras = jobs[0].cloud, jobs[0].extras
    name = f"clipvec-{sweep.name}"
    if not alone:
        name += f"-{shards.format(s for job in jobs for s in job.shards) or jobs[0].number}"
    wanted = f"[{','.join(extras)}]" if extras else ""
    install = f"python -m pip install --quiet {WHEEL_FOLDER}/{wheel.name}{wanted}"
    task: dict[str, Any] = {
        "name": re.sub(r"[^A-Za-z0-9._-]", ".", name),
        "resources": {k: v for k, v in cloud.get("resources", {}).items() if v is not None},
        "setup": "\n".join(filter(None, ["set -e", cloud.get("setup", "").strip(), install]))
        + "\n",
        "run": _run(sweep, jobs),
        "envs": {"CLIPVEC_SWEEP": sweep.name},
        "file_mounts": {
            f"{WHEEL_FOLDER}/{wheel.name}": str(wheel),
            **cloud.get("file_mounts", {}),
        },
    }
    secrets = [secret for secret in cloud.get("secrets", []) if os.environ.get(secret)]
    if secrets:
        task["secrets"] = dict.fromkeys(secrets)
    return Submission(task["name"], tuple(jobs), task)


def _run(sweep: Sweep, jobs: Sequence[Job]) -> str:
    """Return the script of the jobs: each takes its shards by its rank."""
    command = ["python", *sweep.command(replace(jobs[0], shards=()))]
    line = f"exec {shlex.join(command)}"  # exec, so that SIGTERM reaches it
    if not jobs[0].shards:
        return f"{line}\n"
    specs = " ".join(shlex.quote(shards.format(job.shards)) for job in jobs)
    return f"shards=({specs})\n{line} \"shards='${{shards[${{SKYPILOT_JOB_RANK:-0}}]}}'\"\n"


def check_store(job: Job) -> None:
    """Refuse a store that lies on a machine which goes away with its job.

    Raises:
        ConfigError: with what to give instead.
    """
    if not job.store or "://" in job.store or job.visible_store() != job.store:
        return
    mounted = any(
        job.store.startswith(t.rstrip("/") + "/") for t in job.cloud.get("file_mounts", {})
    )
    shared = job.cloud["name"] in _SHARED and job.store.startswith("/")
    if not mounted and not shared:
        raise ConfigError(
            f"the store {job.store} is a folder of a cloud machine, which goes away with its "
            "job; give a bucket, store.root=s3://bucket/store, or mount one: "
            "store.root=/store '+cloud.file_mounts={/store: s3://bucket}'; on slurm and "
            "kubernetes an absolute path that all machines share will do"
        )


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
    import yaml

    file = paths.task_file(folder, number)
    text = yaml.safe_dump(submission.task, sort_keys=False, width=100)
    file.write_text(text, encoding="utf-8")
    return file
