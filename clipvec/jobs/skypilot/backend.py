"""SkyPilot's managed jobs as the backend of a sweep. The only module that imports ``sky``."""

from __future__ import annotations

import logging
import os
import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.errors import ConfigError, LaunchError, one_line
from clipvec.jobs.backend import Backend, Machine, Preview, State, Status
from clipvec.jobs.skypilot import checks, egress, gpus, prices, rights, speeds, tasks, workdir
from clipvec.progress import Progress, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path
    from types import ModuleType

    from clipvec.jobs.plan import Job, Sweep
    from clipvec.jobs.record import Record
    from clipvec.jobs.skypilot.tasks import Submission

log = logging.getLogger(__name__)
PARALLEL_SUBMISSIONS = 8
"""Concurrent requests, if jobs differ in more than their shards."""
_STATES = {
    "PENDING": State.PENDING,
    "SUBMITTED": State.PENDING,
    "STARTING": State.PENDING,
    "RUNNING": State.RUNNING,
    "WINDING_DOWN": State.RUNNING,
    "RECOVERING": State.RECOVERING,
    "CANCELLING": State.RUNNING,
    "SUCCEEDED": State.SUCCEEDED,
    "CANCELLED": State.CANCELLED,
    "FAILED": State.FAILED,
    "FAILED_SETUP": State.FAILED,
    "FAILED_PRECHECKS": State.FAILED,
    "FAILED_NO_RESOURCE": State.FAILED,
    "FAILED_CONTROLLER": State.FAILED,
}
_FIELDS = ["job_id", "status", "details", "failure_reason", "recovery_count", "job_duration"]
"""What is read of SkyPilot's queue."""
_LAUNCHED = ["submitted_at", "start_at"]
"""When the launch of a job's machine began and ended."""
_WAITING = {
    "PENDING": "queued",
    "SUBMITTED": "queued",
    "STARTING": "starting a machine",
    "CANCELLING": "cancelling",
}
"""What a job waits for, where SkyPilot has no details."""
_DYING = frozenset({"SHUTTING_DOWN", "CONTROLLER_FAILED", "FAILED_CLEANUP"})
"""States of a pool that SkyPilot 0.14 does not leave, or only to remove it."""
_FIXES = {
    "NoCloudAccessError": "no cloud is enabled; `sky check` shows what each one lacks",
    "ApiServerConnectionError": "its API server does not respond; start it with `sky api start`",
    "ApiServerAuthenticationError": "its API server requires a login: `sky api login`",
    "APIVersionMismatchError": "client and API server versions differ; restart the server: "
    "`sky api stop`",
    "ResourcesUnavailableError": "no cloud has these resources; `sky check` and `sky gpus list` "
    "list what is available, and cloud.resources selects it",
    "PoolDoesNotExistError": "launcher.pool does not exist; `sky jobs pool status` lists all pools",
}


def status(record: Mapping[str, Any]) -> Status:
    """Return a job's status from a record of SkyPilot's queue."""
    name = getattr(record["status"], "value", record["status"])
    state = _STATES[name]
    reason = one_line(record.get("failure_reason") or "")
    detail = ""
    if state is State.FAILED:
        detail = f"{name}: {reason}" if reason else name
    elif name in _WAITING:
        detail = one_line(record.get("details") or _WAITING[name])
    begun, ran = record.get("submitted_at"), record.get("start_at")
    launching = ran - begun if begun and ran else 0.0  # its duration is without that
    return Status(
        state,
        detail,
        int(record.get("recovery_count") or 0),
        launching + float(record.get("job_duration") or 0),
    )


_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
_PROCESS = re.compile(r"\([^()]*\bpid=\d+[^()]*\) ?")
"""What SkyPilot puts before each line of a job, such as ``(clipvec-embed-1, pid=4711)``."""


def plain(line: str) -> str:
    """Return a line of a job's log as the job wrote it, without SkyPilot's colours and prefix."""
    line = _COLOURS.sub("", line)
    prefix = _PROCESS.match(line)
    return line[prefix.end() :] if prefix else line


_UNPRICED = "not all prices are known; `sky gpus list` shows those that SkyPilot finds"


class Sky(Backend):
    """Runs jobs as SkyPilot managed jobs; their ids are SkyPilot's."""

    poll_seconds = 15.0  # as often as SkyPilot polls a job; its server starts a process for each

    def __init__(self) -> None:
        self._prices: dict[str, dict[str, float]] = {}
        """By cloud, then by GPU: price lists are long."""

    def submit(
        self, record: Record, jobs: Sequence[Job], saved: Callable[[Mapping[int, str]], None]
    ) -> None:
        """Submit ``jobs``: one request for jobs that differ only in their shards.

        Raises:
            LaunchError: SkyPilot refuses; ids of jobs it accepted are saved.
            ConfigError: a job's configuration is invalid.
        """
        pool = tasks.pool(record.sweep)
        for reason in checks.refusals(record.sweep, jobs):
            raise ConfigError(reason)
        for line in rights.lines(jobs):
            log.warning("%s", line)
        submissions, _ = _write(record.sweep, jobs, record.folder)
        if tasks.makes_pool(record.sweep):
            self._make_pool(record)
        saving = Lock()

        def submit(submission: Submission) -> Exception | None:
            try:
                ids = _launch(sky, submission, pool)
            except Exception as error:  # raised once the ids of the others are saved
                return error
            numbers = [job.number for job in submission.jobs]
            with saving:
                saved(dict(zip(numbers, map(str, ids), strict=True)))
                bar.advance(len(numbers))
            return None

        with (
            connect() as sky,
            Progress() as progress,
            ThreadPoolExecutor(PARALLEL_SUBMISSIONS) as threads,
        ):
            bar = progress.task("submitting", len(jobs), "jobs")
            try:
                errors = [error for error in threads.map(submit, submissions) if error]
            except KeyboardInterrupt:
                threads.shutdown(cancel_futures=True)  # requests in progress are completed
                raise
            if errors:
                raise errors[0]

    def machine(self, job: Job) -> str:
        """Return the resources that a job requests."""
        return tasks.describe(job.cloud)

    def price_per_hour(self, job: Job) -> float | None:
        """Return the lowest price of a machine, according to SkyPilot's local price lists."""
        return min(self._by_gpu(job).values(), default=None)

    def machines(self, job: Job) -> list[Machine]:
        """Return the GPUs that a job requests, one each: their prices, and public figures."""
        wanted = [gpus.requested(each) for each in gpus.alternatives(job.cloud)]
        names = dict.fromkeys(name for gpu in wanted for name, count in gpu.items() if count == 1)
        known = self._by_gpu(job)
        return [
            Machine(name.upper(), known.get(name), speeds.estimate(job.arch, name))
            for name in names
        ]

    def _by_gpu(self, job: Job) -> dict[str, float]:
        cloud = repr(job.cloud)
        if cloud not in self._prices:
            self._prices[cloud] = prices.by_gpu(job.cloud)
        return self._prices[cloud]

    def precision(self, job: Job) -> str | None:
        """Return the precision that is native to any machine a job may get."""
        return gpus.precision(job.cloud)

    def preview(self, sweep: Sweep, jobs: Sequence[Job], folder: Path) -> Preview:
        """Write the YAML of each submission, for its command; SkyPilot itself checks it as well."""
        refusals, lines = checks.refusals(sweep, jobs), []
        submissions, files = _write(sweep, jobs, folder)
        pool = tasks.pool(sweep)
        chosen = [] if pool is None else ["--pool", pool]
        own = paths.SweepPaths(folder).pool
        if tasks.makes_pool(sweep):
            lines.append(_command("pool apply", chosen, submissions[0].secrets, own))
        for submission, file in zip(submissions, files, strict=True):
            several = submission.num_jobs > 1
            number = ["--num-jobs", str(submission.num_jobs)] if several else []
            lines.append(_command("launch", [*chosen, *number], submission.secrets, file))
        if tasks.makes_pool(sweep):
            lines.append(f"sky jobs pool down {pool}")
        if any(self.price_per_hour(job) is None for job in jobs):
            lines.append(_UNPRICED)
        lines += [*egress.lines(jobs), *rights.lines(jobs)]
        try:
            with connect() as sky:
                for submission in submissions:
                    _task(sky, submission.task)
                if tasks.makes_pool(sweep):
                    sky.serve.validate_service_task(_task(sky, _read(own)), pool=True)
        except LaunchError as error:
            refusals.append(str(error))
        return Preview(refusals, lines)

    def poll(self, record: Record, ids: Mapping[int, str]) -> dict[int, Status]:
        """Return the status of jobs, in one request.

        Raises:
            LaunchError: SkyPilot cannot be reached.
        """
        if not ids:
            return {}
        with connect() as sky:
            wanted = sorted(map(int, ids.values()))
            pooled = tasks.pool(record.sweep) is not None  # on machines that have started before
            fields = _FIELDS if pooled else _FIELDS + _LAUNCHED
            records, *_ = sky.get(
                sky.jobs.queue_v2(refresh=True, job_ids=wanted, all_users=True, fields=fields)
            )
            found = {str(r["job_id"]): status(r) for r in records}
        return {job: found[id_] for job, id_ in ids.items() if id_ in found}

    def logs(self, record: Record, job: int, id: str, *, follow: bool) -> Iterator[str]:
        """Yield the lines of a job's log.

        Raises:
            LaunchError: SkyPilot has none.
        """
        with connect() as sky:
            stream = sky.jobs.tail_logs(job_id=int(id), follow=follow, preload_content=False)
            for text in stream:
                if text is None:
                    break
                yield from map(plain, text.splitlines(keepends=True))

    def cancel(self, record: Record, ids: Mapping[int, str]) -> None:
        """Ask SkyPilot to cancel jobs, and wait until it confirms.

        Raises:
            LaunchError: SkyPilot cannot be reached.
        """
        if ids:
            with connect() as sky:
                sky.get(sky.jobs.cancel(job_ids=sorted(map(int, ids.values()))))

    def _make_pool(self, record: Record) -> None:
        """Make the pool of a sweep, unless there is one."""
        files, pool = paths.SweepPaths(record.folder), tasks.pool(record.sweep)
        task = _read(files.pool)
        with connect() as sky:
            for held in sky.get(sky.jobs.pool_status(pool)):
                if (status := status_name(held["status"])) in _DYING:
                    raise LaunchError(
                        f"the pool {pool} is {status} and takes no jobs; run the same command "
                        "again when sky jobs pool status no longer lists it"
                    )
                return
            log.info(
                "making a pool of %s, which is taken down when the jobs have ended; if this "
                "command does not live to see that: clipvec jobs wait %s, or "
                "sky jobs pool down %s",
                counted(task["pool"]["workers"], "machine"),
                record.sweep.name,
                pool,
            )
            files.pool_made.touch()
            sky.get(sky.jobs.pool_apply(_task(sky, task), pool, sky.serve.UpdateMode.ROLLING))

    def release(self, record: Record) -> None:
        """Take down the pool that was made for a sweep, when SkyPilot says that its jobs ended.

        Raises:
            LaunchError: SkyPilot cannot be reached, or keeps the pool; with how to take it down.
        """
        if not paths.SweepPaths(record.folder).pool_made.exists():
            return
        pool = tasks.pool(record.sweep)
        ids = {started.job.number: started.id for started in record.started()}
        said = False
        try:
            # A job whose shards are committed may have seconds to go, and keeps the pool.
            while (statuses := self.poll(record, ids)) and not all(
                status.state.ended for status in statuses.values()
            ):
                if not said:
                    log.info("pool %s is taken down when its jobs have ended", pool)
                said = True
                time.sleep(self.poll_seconds)
            with connect() as sky:
                if sky.get(sky.jobs.pool_status(pool)):
                    sky.get(sky.jobs.pool_down(pool))
                    log.info("pool %s is taken down", pool)
        except (LaunchError, KeyboardInterrupt) as error:
            raise LaunchError(
                f"the pool {pool} still runs, and is paid for; take it down with sky jobs pool "
                f"down {pool} ({one_line(error) or 'stopped'})"
            ) from error


def status_name(status: object) -> str:
    """Return a status of SkyPilot's as it prints it."""
    return str(getattr(status, "value", status))


def _command(action: str, options: Sequence[str], secrets: Sequence[str], file: Path) -> str:
    """Return the line of a shell that does what this backend does by SkyPilot's interface."""
    named = [word for name in secrets for word in ("--secret", name)]
    return shlex.join(["sky", "jobs", *action.split(), *options, *named, str(file)])


def _read(file: Path) -> dict[str, Any]:
    import yaml

    return dict(yaml.safe_load(file.read_text(encoding="utf-8")))


def _write(sweep: Sweep, jobs: Sequence[Job], folder: Path) -> tuple[list[Submission], list[Path]]:
    """Write what goes to the machines, and the YAML of each submission."""
    packed = paths.SweepPaths(folder.absolute()).workdir
    workdir.pack(packed, [job.extras for job in jobs])
    submissions = tasks.tasks(sweep, jobs, packed)
    if tasks.makes_pool(sweep):
        made = tasks.as_yaml(tasks.pool_task(sweep, jobs, packed))
        paths.SweepPaths(folder).pool.write_text(made, encoding="utf-8")
    return submissions, [tasks.write(each, folder, i) for i, each in enumerate(submissions)]


def _launch(sky: ModuleType, submission: Submission, pool: str | None) -> list[int]:
    """Submit one task and return the ids of its jobs, by rank."""
    request = sky.jobs.launch(
        _task(sky, submission.task),
        name=submission.name,
        pool=pool,
        num_jobs=submission.num_jobs if submission.num_jobs > 1 else None,
        _need_confirmation=False,
    )
    ids, _ = sky.get(request)
    return list(ids)


def _task(sky: ModuleType, task: Mapping[str, Any]) -> Any:
    """Return SkyPilot's own object, which it refuses to make of what it does not understand."""
    secrets = [(name, os.environ[name]) for name in task.get("secrets", {})]
    return sky.Task.from_yaml_config(dict(task), secrets_overrides=secrets)


@contextmanager
def connect() -> Iterator[Any]:
    """Import SkyPilot and turn its errors into one line each."""
    try:
        import sky
        import sky.jobs
    except ImportError as error:
        raise LaunchError(
            f"SkyPilot is not installed ({error}); install it with the clouds you use: "
            "pip install 'clipvec[sky]' 'skypilot[aws]'"
        ) from error
    try:
        yield sky
    except (LaunchError, GeneratorExit):
        raise
    except Exception as error:
        kind = type(error).__name__
        said = one_line(error)[:500]
        fix = _FIXES.get(kind)
        raise LaunchError(
            f"SkyPilot: {fix} ({kind}: {said})" if fix else f"SkyPilot: {kind}: {said}"
        ) from error
