"""SkyPilot's managed jobs as the backend of a sweep."""

from __future__ import annotations

import logging
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.errors import ConfigError, LaunchError
from clipvec.jobs.backend import Backend, Machine, Preview, Status
from clipvec.jobs.skypilot import (
    checks,
    egress,
    gpus,
    job_state,
    own_pool,
    prices,
    quota,
    rights,
    speeds,
    tasks,
    workdir,
)
from clipvec.jobs.skypilot.client import connect, to_task
from clipvec.progress import Progress

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


class Sky(Backend):
    """Runs jobs as SkyPilot managed jobs; their ids are SkyPilot's."""

    poll_seconds = 15.0  # as often as SkyPilot polls a job; its server starts a process for each

    def __init__(self) -> None:
        self._prices: dict[str, dict[tuple[str, int], float]] = {}
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
        for line in [*checks.warnings(record.sweep, jobs), *rights.lines(jobs)]:
            log.warning("%s", line)
        submissions, _ = _write(record.sweep, jobs, record.folder)
        if tasks.makes_pool(record.sweep):
            own_pool.make(record)
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
        """Return the GPUs that a job requests: their machines' prices, and public figures."""
        known = self._by_gpu(job)
        return [
            Machine(name.upper(), known.get((name, count)), speeds.estimate(job.arch, name), count)
            for name, count in gpus.counted(job.cloud)
        ]

    def _by_gpu(self, job: Job) -> dict[tuple[str, int], float]:
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
        unpriced = {repr(j.cloud): j.cloud for j in jobs if self.price_per_hour(j) is None}
        lines += [
            *dict.fromkeys(filter(None, map(prices.unknown, unpriced.values()))),
            *quota.lines(jobs, sweep.launcher.machines(len(jobs))),
            *egress.lines(jobs),
            *checks.warnings(sweep, jobs),
            *rights.lines(jobs),
        ]
        try:
            with connect() as sky:
                for submission in submissions:
                    to_task(sky, submission.task)
                if tasks.makes_pool(sweep):
                    sky.serve.validate_service_task(to_task(sky, tasks.read(own)), pool=True)
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
            pooled = record.sweep.launcher.pooled  # on machines that have started before
            fields = job_state.FIELDS if pooled else job_state.FIELDS + job_state.LAUNCHED
            records, *_ = sky.get(
                sky.jobs.queue_v2(refresh=True, job_ids=wanted, all_users=True, fields=fields)
            )
            found = {str(r["job_id"]): job_state.status(r) for r in records}
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
                yield from map(job_state.plain, text.splitlines(keepends=True))

    def cancel(self, record: Record, ids: Mapping[int, str]) -> None:
        """Ask SkyPilot to cancel jobs, and wait until it confirms.

        Raises:
            LaunchError: SkyPilot cannot be reached.
        """
        if ids:
            with connect() as sky:
                sky.get(sky.jobs.cancel(job_ids=sorted(map(int, ids.values()))))

    def release(self, record: Record) -> None:
        """Take down the pool that was made for a sweep, when SkyPilot says that its jobs ended.

        Raises:
            LaunchError: SkyPilot cannot be reached, or keeps the pool; with how to take it down.
        """
        own_pool.take_down(record, lambda: self._wait_for_jobs(record))

    def _wait_for_jobs(self, record: Record) -> None:
        """Wait until all jobs of a sweep ended: one whose shards are committed may have seconds."""
        ids = {started.job.number: started.id for started in record.started()}
        said = False
        while (statuses := self.poll(record, ids)) and not all(
            status.state.ended for status in statuses.values()
        ):
            if not said:
                log.info("pool %s is taken down when its jobs have ended", tasks.pool(record.sweep))
            said = True
            time.sleep(self.poll_seconds)


def _command(action: str, options: Sequence[str], secrets: Sequence[str], file: Path) -> str:
    """Return the line of a shell that does what this backend does by SkyPilot's interface."""
    named = [word for name in secrets for word in ("--secret", name)]
    return shlex.join(["sky", "jobs", *action.split(), *options, *named, str(file)])


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
        to_task(sky, submission.task),
        name=submission.name,
        pool=pool,
        num_jobs=submission.num_jobs if submission.num_jobs > 1 else None,
        _need_confirmation=False,
    )
    ids, _ = sky.get(request)
    return list(ids)
