"""All contestants, one after the other, each in a process of its own."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, get_args

from pydantic import TypeAdapter, ValidationError

from clipvec import paths
from clipvec.config import FaissContestant
from clipvec.errors import CollectionError, ConfigError
from clipvec.progress import Progress
from clipvec.recall.job import Job, digest
from clipvec.recall.prepare import prepare
from clipvec.recall.results import Contestant, Kind
from clipvec.recall.systems.chroma import Live
from clipvec.recall.timing import ROUNDS
from clipvec.store import Rows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clipvec.config import ContestantConfig, Contestants, IndexConfig, MeasureConfig
    from clipvec.progress import Task

log = logging.getLogger(__name__)
_MODES = 3
_LEAST_SECONDS = 0.05
"""Of one timing."""
_END_SECONDS = 15


def run(
    contestants: Contestants,
    store: str,
    index: IndexConfig,
    collection: str,
    truth: Path,
    work: Path,
    options: MeasureConfig,
) -> Iterator[Contestant]:
    """Yield how each contestant did, in their order; what was measured before is read back.

    Args:
        contestants: by name.
        store: path or URL.
        index: where the live collection lies.
        collection: its name.
        truth: folder of queries and exact neighbours, ``queries-*.npz`` and ``truth-*.npz``.
        work: folder of results, logs and what is passed to the processes.
        options: how to measure.

    Raises:
        ConfigError: there are no queries, or a k is larger than the truth.
        StoreError: the store cannot be read.
    """
    rows = Rows.open(store)
    asked = sum(paths.queries_file(truth, kind).is_file() for kind in get_args(Kind))
    if not asked or not len(rows):
        raise ConfigError(f"there are no queries in {truth}, or no rows in {store}")
    seconds = max(options.seconds / _timings(contestants, asked, options), _LEAST_SECONDS)
    known = _known(rows, truth, options, seconds)
    exam = paths.exam_dir(work)
    prepared = False
    with Progress() as progress:
        total = sum(map(steps, contestants.values()))
        task = progress.task("rounds", total, "rounds")
        for name, contestant in contestants.items():
            mark = _mark(known, contestant, Live(index, collection))
            job = Job(
                name=name,
                contestant=contestant,
                store=store,
                index=index,
                collection=collection,
                options=options,
                seconds=seconds,
                threads=options.threads or os.cpu_count() or 1,
                exam=exam,
                scratch=paths.contestant_scratch(work, name),
                result=paths.contestant_result(work, name, mark),
            )
            before = _before(job)
            if before is not None:
                when = before.measured
                log.info("%s: measured before (%s), taken from %s", name, when, job.result)
                task.advance(steps(contestant))
                yield before
                continue
            if not prepared:
                prepare(rows, truth, options, exam)
                prepared = True
            yield _measure(job, work, task)


def settings(contestant: ContestantConfig) -> int:
    """Return the number of settings of a contestant."""
    return math.prod(len(values) for values in contestant.sweep.values())


def steps(contestant: ContestantConfig) -> int:
    """Return the number of steps that a contestant's process tells of: the build and all rounds."""
    return 1 + ROUNDS * settings(contestant)


def _timings(contestants: Contestants, kinds: int, options: MeasureConfig) -> int:
    each = kinds * (_MODES + len(options.selectivities))
    return max(1, each * sum(map(settings, contestants.values())))


def _known(rows: Rows, truth: Path, options: MeasureConfig, seconds: float) -> str:
    """Return a digest of what all contestants share."""
    files = [
        f(truth, kind) for kind in ("image", "text") for f in (paths.queries_file, paths.truth_file)
    ]
    contents = [hashlib.sha256(f.read_bytes()).hexdigest() if f.is_file() else "" for f in files]
    parts = [part.sha256 for part in rows.parts]
    about = {"parts": parts, "truth": contents, "options": options, "seconds": seconds}
    return digest(**about, cores=os.cpu_count())


def _mark(known: str, contestant: ContestantConfig, live: Live) -> str:
    """Return by what the result of a contestant is known."""
    identity = {}
    if not isinstance(contestant, FaissContestant):
        # Without a collection the contestant is refused, in the words of its own process.
        with contextlib.suppress(CollectionError):
            identity = live.identity()
    return digest(known=known, contestant=contestant, live=identity)


def _before(job: Job) -> Contestant | None:
    """Return the result of an earlier run, if there is one."""
    try:
        return TypeAdapter(Contestant).validate_json(job.result.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _measure(job: Job, work: Path, task: Task) -> Contestant:
    """Return what the contestant's process found; a refusal is not kept for the next run."""
    job.result.parent.mkdir(parents=True, exist_ok=True)
    job.scratch.mkdir(parents=True, exist_ok=True)
    told = paths.contestant_job(work, job.name)
    log_file = paths.contestant_log(work, job.name)
    job.write(told)
    try:
        code, done = _process(job, told, log_file, task)
    finally:
        shutil.rmtree(job.scratch, ignore_errors=True)
    task.advance(steps(job.contestant) - done)
    result = _before(job)
    if result is None:
        result = job.refused(_ended(code, log_file))
    if result.refused:
        job.result.unlink(missing_ok=True)
        log.warning("%s: not measured: %s", job.name, result.refused)
    return result


def _process(job: Job, told: Path, log_file: Path, task: Task) -> tuple[int, int]:
    """Return the exit code of the contestant's process and the steps that it did."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(job.threads),
        # Threads that wait for each other in turns cost a busy machine several times the work.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    done = 0
    with log_file.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "clipvec.recall.worker", str(told)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            # A group of its own: with it ends what it started, even where it is killed itself.
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            for _ in process.stdout:
                done += 1
                task.advance()
            return process.wait(), done
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _ended(code: int, log_file: Path) -> str:
    """Return in words how a process ended that left no result."""
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", as the kernel does when memory runs out" if -code == signal.SIGKILL else ""
        return f"its process was ended by {name}{hint}; see {log_file}"
    lines = log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"its process failed: {lines[-1] if lines else f'exit code {code}'}; see {log_file}"
