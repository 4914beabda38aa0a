"""The run that summarises a sweep, written by the process that waits for its jobs."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import asdict
from typing import TYPE_CHECKING

from clipvec import shards, tracking
from clipvec.jobs.backend import State
from clipvec.tracking import RunSpec, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.jobs.backend import Backend, Status
    from clipvec.jobs.progress import StoreProgress
    from clipvec.jobs.record import Record, SubmittedJob
    from clipvec.tracking import Run


WINDOW = 300.0
"""Averaging window of images/s in seconds: images count in steps, when their shard is committed."""


class SweepLogger:
    """Feeds the run of a sweep."""

    def __init__(
        self,
        run: Run,
        record: Record,
        runs: Backend,
        jobs: Sequence[SubmittedJob],
        progress: StoreProgress,
    ) -> None:
        self._run = run
        self._jobs = jobs
        self._progress = progress
        # Time starts with the sweep, so a later `jobs wait` continues its curves.
        self._age = time.time() - record.sweep.begun
        self._began = time.monotonic()
        self._seen = deque([(self._began, progress.images)])
        self._prices = [runs.price_per_hour(submitted.job) for submitted in jobs]

    def look(self, statuses: Sequence[Status]) -> None:
        """Add a point to the curves if one is due."""
        if self._run.should_log():
            self._point(statuses)

    def end(self, statuses: Sequence[Status]) -> None:
        """Add the last point and the table of all jobs."""
        if not self._run.tracked:
            return
        values = self._point(statuses)
        rows = [
            [
                s.job.number,
                shards.format(s.job.shards),
                s.id,
                status.state.value,
                status.recoveries,
                status.seconds,
                status.detail,
            ]
            for s, status in zip(self._jobs, statuses, strict=True)
        ]
        columns = ["job", "shards", "id", "state", "recoveries", "seconds", "detail"]
        self._run.log_table("jobs", Table(columns, rows))
        self._run.update_summary(values)

    def _point(self, statuses: Sequence[Status]) -> dict[str, float]:
        now, images = time.monotonic(), self._progress.images
        counts = Counter(status.state for status in statuses)
        values = {f"jobs/{state.value}": float(counts[state]) for state in State}
        self._seen.append((now, images))
        while len(self._seen) > 2 and now - self._seen[1][0] > WINDOW:
            self._seen.popleft()
        then, before = self._seen[0]
        values |= {
            "recovered": float(sum(status.recoveries > 0 for status in statuses)),
            "recoveries": float(sum(status.recoveries for status in statuses)),
            "committed": float(self._progress.committed),
            "wanted": float(self._progress.wanted),
            "images": float(images),
            "images_per_s": (images - before) / max(now - then, 1e-9),
            "node_hours": sum(status.seconds for status in statuses) / 3600,
        }
        costs = [
            status.seconds / 3600 * price
            for status, price in zip(statuses, self._prices, strict=True)
            if price is not None
        ]
        if costs:
            values["cost_usd"] = sum(costs)
        # Jobs log images/s too; the prefix tells them apart on a dashboard of both.
        values = {f"sweep/{name}": value for name, value in values.items()}
        self._run.log(values, step=int(self._age + now - self._began))
        return values


def start_run(record: Record, jobs: Sequence[SubmittedJob], progress: StoreProgress) -> Run:
    """Return the run of a sweep."""
    sweep = record.sweep
    first = sweep.jobs[0]
    about = {
        "command": sweep.module,
        "backend": sweep.launcher.kind,
        "jobs": len(sweep.jobs),
        "started": len(jobs),
        "shards": progress.wanted,
        "launcher": asdict(sweep.launcher),
        "overrides": list(first.overrides),
        "cloud": first.cloud,
    }
    root = first.visible(first.folders.get("store.root", str(record.folder)))
    return tracking.start_run(
        sweep.tracking, RunSpec("sweep", sweep.name, root, about, sweep=sweep.name)
    )
