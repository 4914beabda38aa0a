"""What can be known before the first request: that a job would fail on every machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from clipvec.jobs.skypilot import gpus, tasks
from clipvec.progress import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from clipvec.jobs.plan import Job, Sweep


def refusals(sweep: Sweep, jobs: Sequence[Job]) -> list[str]:
    """Return why the jobs would fail, each reason once with its fix; empty: nothing is missing."""
    pool = None if tasks.makes_pool(sweep) else tasks.pool(sweep)
    found = (
        reason
        for job in jobs
        for reasons in (_variables(job), _inputs(job), _folders(job), _mounts(job, pool))
        for reason in reasons
    )
    return list(dict.fromkeys([*found, *_own_pool(sweep, jobs), *_idle_gpus(sweep, jobs)]))


def _variables(job: Job) -> Iterator[str]:
    """Yield the environment variables that a job lacks."""
    for name, why in job.variables.items():
        if not os.environ.get(name):
            yield f"{why}, so jobs need {name}: put {name}=... into the environment or into .env"
        elif name not in job.cloud.get("secrets", []):
            given = ",".join([*job.cloud.get("secrets", []), name])
            yield (
                f"{why}, so jobs need {name}, which cloud.secrets does not name: "
                f"cloud.secrets=[{given}]"
            )


def _inputs(job: Job) -> Iterator[str]:
    """Yield the files and folders of this machine that a job would look for on its own."""
    copied = job.cloud.get("file_mounts", {})
    for option, places in job.inputs.items():
        for place in places:
            folder = place.removeprefix("local-dir:")
            below = any(is_below(folder, target) for target in copied)
            if not below and not is_shared(job.cloud, folder):
                scheme = place.removesuffix(folder)
                yield (
                    f"{option}={place} is on this machine, and the machines of jobs do not have "
                    "it; have SkyPilot copy it there: "
                    f"'cloud.file_mounts={{/input: {folder}}}' {option}={scheme}/input, or put it "
                    f"into a bucket and give {'that' if scheme else 'its URL'}"
                )


def _folders(job: Job) -> Iterator[str]:
    """Yield the stores and indexes on a machine that disappears with its job."""
    for option, folder in job.folders.items():
        mounted = any(is_below(folder, target) for target in job.mounts())
        shared = is_shared(job.cloud, folder) and not mounted
        if option == "index.path" and job.shards and not shared:
            yield (
                f"index.path={folder}: jobs that share the shards of an index take turns by locks, "
                "which neither mounted buckets nor cloud machines share; leave shards out, so that "
                "one job builds it, or give an absolute path that all machines share, on slurm or "
                "kubernetes"
            )
        elif "://" not in folder and not mounted and not shared:
            name = option.partition(".")[0]
            yield (
                f"{option}={folder} is a folder on a cloud machine, which disappears with its "
                f"job; mount a bucket and use a folder in it: {option}=/bucket/{name} "
                "'cloud.file_mounts={/bucket: {source: s3://name, mode: MOUNT_CACHED}}'; "
                "store.root may also be a URL, such as s3://name/store, and on slurm and "
                "kubernetes an absolute path that all machines share"
            )


def _mounts(job: Job, pool: str | None) -> Iterator[str]:
    if pool and job.cloud.get("file_mounts"):
        yield (
            f"launcher.pool={pool}: a pool's machines mount only what the pool's own YAML lists, "
            "not cloud.file_mounts; use a URL, such as store.root=s3://name/store"
        )


def _own_pool(sweep: Sweep, jobs: Sequence[Job]) -> Iterator[str]:
    """Yield why no pool can be made for jobs: its machines are of one kind."""
    kinds = {repr(job.cloud): job for job in jobs}.values() if tasks.makes_pool(sweep) else ()
    if len(kinds) > 1:
        asked = "; ".join(tasks.describe(job.cloud) for job in kinds)
        yield (
            "launcher.pool=auto: the machines of a pool are of one kind, and these jobs ask for "
            f"{len(kinds)} ({asked}); make a sweep of each"
        )
    if any(job.cloud.get("resources", {}).get("ordered") for job in kinds):
        yield (
            "launcher.pool=auto: SkyPilot's pools take no cloud.resources.ordered; "
            "use cloud.resources.any_of"
        )


def _idle_gpus(sweep: Sweep, jobs: Sequence[Job]) -> Iterator[str]:
    """Yield the requests for GPUs that are paid for and idle, other than those of `warnings`."""
    for job, wanted in _requested_gpus(jobs):
        idle = job.on_cpu or ("" if job.commits else "an index")
        if idle:
            yield f"{_asked(job, *wanted)}which {idle} leaves idle; {_without(job)}"
        else:
            yield from _several(sweep, job, wanted)


def _several(sweep: Sweep, job: Job, wanted: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Yield the requests for more GPUs than a job that commits shards uses."""
    for name, count in wanted:
        if count == 1:
            continue
        asked = _asked(job, (name, count))
        place, one = gpus.asked_in(job.cloud), f"{{{name.upper()}: 1}}"
        one = f"'{place}={one}'" if place == gpus.ACCELERATORS else f"accelerators={one} in {place}"
        most, joined = _shards(sweep, job)
        if not job.uses_gpus:
            yield (
                f"{asked}which only model.runtime=torch with model.device=auto uses; ask for "
                f"machines with one: {one}"
            )
        elif most < count <= joined:
            yield (
                f"{asked}each for shards of its own, and a job has {most}; "
                f"hydra.sweeper.shards_per_job={count} or a multiple gives work to all, and "
                f"{one} asks for machines with one"
            )


def warnings(sweep: Sweep, jobs: Sequence[Job]) -> list[str]:
    """Return the GPUs that are idle since fewer shards are asked for, as of a first try."""
    return [
        f"{_asked(job, (name, count))}each for shards of its own: with {counted(joined, 'shard')}, "
        f"{count - joined} of them will be idle"
        for job, wanted in _requested_gpus(jobs)
        for name, count in wanted
        if job.uses_gpus and (joined := _shards(sweep, job)[1]) < count
    ]


def _requested_gpus(jobs: Sequence[Job]) -> Iterator[tuple[Job, list[tuple[str, int]]]]:
    """Yield a job of each kind with the GPUs that its machine may have: names and counts."""
    kinds = {
        (repr(job.cloud), job.uses_gpus, job.on_cpu, job.commits): job for job in jobs if job.shards
    }
    for job in kinds.values():
        if wanted := gpus.counted(job.cloud):
            yield job, wanted


def _asked(job: Job, *wanted: tuple[str, int]) -> str:
    """Return the beginning of a sentence about GPUs that a job asks for."""
    named = ", ".join(f"{name.upper()}:{count}" for name, count in wanted)
    count = wanted[0][1]
    several = "is a GPU" if count == 1 else f"is {count} GPUs"
    return f"{gpus.asked_in(job.cloud)}: {named} {'are GPUs' if wanted[1:] else several}, "


def _without(job: Job) -> str:
    """Return how to ask for machines without GPUs."""
    place = gpus.asked_in(job.cloud)
    if place == gpus.ACCELERATORS:
        return f"{place}=null asks for machines without"
    return f"leave accelerators out of {place}, which asks for machines without"


def _shards(sweep: Sweep, job: Job) -> tuple[int, int]:
    """Return the most shards that a job on such machines has, and the most that one could have.

    Of those to start, some may be committed, so all jobs of the sweep count.
    """
    alike: dict[tuple[str, ...], list[int]] = {}
    for each in sweep.jobs:
        if each.cloud == job.cloud:
            alike.setdefault(each.overrides, []).append(len(each.shards))
    return max(map(max, alike.values())), max(map(sum, alike.values()))


def is_below(folder: str, target: str) -> bool:
    """Return whether a folder is a mount's target or inside it."""
    return (folder + "/").startswith(target.rstrip("/") + "/")


def is_shared(cloud: Mapping[str, Any], folder: str) -> bool:
    """Return whether all machines that a job may get may share a folder with this one."""
    places = {gpus.place(each)[0] for each in gpus.alternatives(cloud)}
    return places <= gpus.OWN and folder.startswith("/")
