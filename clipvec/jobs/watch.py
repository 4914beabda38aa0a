"""Waits for jobs, with a live table on a terminal and plain lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

import tenacity

from clipvec import shards
from clipvec.errors import LaunchError, StoreError
from clipvec.jobs.backend import State, Status
from clipvec.progress import counted, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.table import Table

    from clipvec.jobs.backend import Backend
    from clipvec.jobs.plan import Job
    from clipvec.jobs.progress import StoreProgress
    from clipvec.jobs.record import SubmittedJob

log = logging.getLogger(__name__)
LOG_LINES = 5
"""Number of last log lines shown for a failed job."""
SHOWN_LOGS = 3
"""Failed jobs whose log is fetched; where more fail, the reason is mostly the same."""
PATIENCE = 1800.0
"""Seconds during which polls may fail before waiting ends."""
LONGEST_PAUSE = 60.0
"""Seconds between failed polls, at most."""
SHOWN_JOBS = 20
"""Maximum number of rows in the live table."""
_UNKNOWN = Status(State.FAILED, "the backend no longer knows this job; was it deleted there?")


def poll(
    jobs: Sequence[SubmittedJob],
    backend: Backend,
    progress: StoreProgress,
    ended: dict[int, Status] | None = None,
) -> list[Status]:
    """Return the status of jobs according to backend and store, in their order.

    Args:
        jobs: the jobs to poll.
        backend: their backend.
        progress: the store's progress, which is refreshed.
        ended: final statuses by position in ``jobs``; those jobs are not polled again.
    """
    known = {} if ended is None else ended
    found: dict[int, Status] = {}
    for record in {id(j.record): j.record for j in jobs}.values():
        places = [i for i, j in enumerate(jobs) if j.record is record and i not in known]
        if places:
            said = backend.poll(record, {jobs[i].job.number: jobs[i].id for i in places})
            found |= {i: said.get(jobs[i].job.number, _UNKNOWN) for i in places}
    # The store is read after the backend, to see everything that a job committed before it ended.
    progress.refresh()
    return [
        progress.reconcile(j.job, known.get(i) or found[i], forced=j.record.sweep.launcher.force)
        for i, j in enumerate(jobs)
    ]


def wait(
    jobs: Sequence[SubmittedJob],
    backend: Backend,
    progress: StoreProgress,
    look: Callable[[Sequence[Status]], None] = lambda statuses: None,
) -> list[Status]:
    """Show the progress of jobs until all have ended, and return their statuses.

    Once there was an answer, polls may fail for a while: servers are restarted, networks break.

    Args:
        jobs: the jobs to wait for.
        backend: their backend.
        progress: the store's progress.
        look: called after each poll.

    Raises:
        LaunchError: the backend cannot be asked, or no longer.
        StoreError: a store cannot be read, or no longer.
    """
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    view = _View(jobs, progress)
    ended: dict[int, Status] = {}
    patiently = patient(backend.poll_seconds)
    statuses = poll(jobs, backend, progress, ended)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            for i, status in enumerate(statuses):
                if status.state.ended and i not in ended:
                    ended[i] = status
                    failed = sum(each.state is State.FAILED for each in ended.values())
                    _say_end(jobs[i], status, backend, with_log=failed <= SHOWN_LOGS)
            view.show(statuses, console, live)
            look(statuses)
            if len(ended) == len(jobs):
                return statuses
            time.sleep(backend.poll_seconds)
            statuses = patiently(poll, jobs, backend, progress, ended)


def patient(pause: float) -> tenacity.Retrying:
    """Return what repeats a poll that failed, with pauses in seconds that grow from ``pause``."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((LaunchError, StoreError)),
        wait=tenacity.wait_exponential(multiplier=pause, max=LONGEST_PAUSE),
        stop=tenacity.stop_after_delay(PATIENCE),
        before_sleep=_say_failed_poll,
        reraise=True,
    )


def _say_failed_poll(state: tenacity.RetryCallState) -> None:
    assert state.outcome is not None
    if state.attempt_number == 1:
        log.warning("cannot ask now, but the jobs go on: %s", state.outcome.exception())


def _say_end(started: SubmittedJob, status: Status, backend: Backend, *, with_log: bool) -> None:
    job, sweep = started.job, started.record.sweep
    if status.state is not State.FAILED:
        log.info("%s: %s", describe(job), status.state.value)
        return
    lines = last_lines(started, backend) if with_log else []
    log.error(
        "%s failed: %s%s\n  full log: clipvec jobs logs %s --job %d",
        describe(job),
        status.detail or "no reason given",
        "".join(f"\n  | {line}" for line in lines),
        sweep.name,
        job.number,
    )


def last_lines(started: SubmittedJob, backend: Backend) -> list[str]:
    """Return the last lines of a job's log, or why there are none."""
    try:
        lines = backend.logs(started.record, started.job.number, started.id, follow=False)
        return [line.rstrip() for line in lines if line.strip()][-LOG_LINES:]
    except LaunchError as error:
        return [f"(no log: {error})"]


def describe(job: Job) -> str:
    """Return a job's name for messages: ``job 3 (shards 30-39)``."""
    if not job.shards:
        return f"job {job.number}"
    noun = "shard" if len(job.shards) == 1 else "shards"
    return f"job {job.number} ({noun} {shards.format(job.shards)})"


class _View:
    """The display while waiting."""

    def __init__(self, jobs: Sequence[SubmittedJob], progress: StoreProgress) -> None:
        self._jobs, self._progress = jobs, progress
        self._began = time.monotonic()
        self._images, self._committed = progress.images, progress.committed
        self._said = ""

    def show(self, statuses: Sequence[Status], console: Console, live: Live) -> None:
        """Refresh the table, or print a line if it differs from the last one."""
        summary = self._summary(statuses)
        if console.is_terminal:
            live.update(self._renderable(statuses, summary), refresh=True)
            return
        counts = self._counts(statuses)
        if counts != self._said:
            self._said = counts
            log.info("%s", summary)

    def _counts(self, statuses: Sequence[Status]) -> str:
        counts = Counter(status.state for status in statuses)
        text = ", ".join(f"{counts[state]} {state.value}" for state in State if counts[state])
        shards_done = ""
        if self._progress.wanted:
            shards_done = (
                f"; {self._progress.committed:,} of {self._progress.wanted:,} shards committed"
            )
        return f"{counted(len(statuses), 'job')}: {text}{shards_done}"

    def _summary(self, statuses: Sequence[Status]) -> str:
        seconds = time.monotonic() - self._began
        new = self._progress.committed - self._committed
        text = self._counts(statuses)
        if new and seconds > 1:
            rate = (self._progress.images - self._images) / seconds
            left = (self._progress.wanted - self._progress.committed) * seconds / new
            text += f"; {self._progress.images:,} images, {rate:,.1f} images/s"
            if left and not all(status.state.ended for status in statuses):
                text += f", {duration(left)} left"
        return text

    def _renderable(self, statuses: Sequence[Status], summary: str) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        pairs = list(zip(self._jobs, statuses, strict=True))
        order = [State.FAILED, State.RECOVERING, State.RUNNING, State.CANCELLED, State.PENDING]
        live = [p for state in order for p in pairs if p[1].state is state]
        shown = table([(s.job, s.id, status) for s, status in live[:SHOWN_JOBS]])
        more = len(live) - SHOWN_JOBS
        return Group(shown, Text(f"… {more} more") if more > 0 else Text(""), Text(summary))


def table(rows: Sequence[tuple[Job, str, Status]]) -> Table:
    """Return a table of jobs: number, id, shards, state, restarts and detail."""
    from rich.table import Table
    from rich.text import Text

    colours = {State.FAILED: "red", State.SUCCEEDED: "green", State.RUNNING: "cyan"}
    result = Table(box=None, pad_edge=False)
    for name in ("job", "id", "shards", "state", "restarts", "detail"):
        result.add_column(name, justify="right" if name in {"job", "restarts"} else "left")
    for job, id_, status in rows:
        result.add_row(
            str(job.number),
            id_ or "-",
            shards.format(job.shards) or "-",
            Text(status.state.value, style=colours.get(status.state, "")),
            str(status.recoveries or ""),
            Text(status.detail),
        )
    return result
