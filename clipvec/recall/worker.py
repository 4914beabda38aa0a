"""``python -m clipvec.recall.worker <job.json>``: builds and measures one contestant.

In a process of its own, so that its peak memory is its own and its crash costs nobody else. A line
on stdout for each step that is done; the result is a file of JSON. It ends when its stdin does, as
that of a parent that was killed.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from clipvec.config import FaissContestant
from clipvec.errors import ClipvecError
from clipvec.files import write_atomically
from clipvec.paths import row_numbers
from clipvec.process import when_parent_ends
from clipvec.recall.job import Job
from clipvec.recall.measure import Measurer
from clipvec.recall.results import Contestant
from clipvec.recall.systems.chroma import ChromaContender, Live
from clipvec.recall.systems.faiss import FaissContender
from clipvec.recall.workload import Exam
from clipvec.store import Numbers, Rows

if TYPE_CHECKING:
    from clipvec.recall.systems.base import Contender


def main(file: str) -> None:
    """Do the job in ``file``."""
    logging.basicConfig(level=logging.INFO)
    # Unwinds, so that a server that was started ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    job = Job.read(Path(file))
    result = contest(job)
    write_atomically(job.result, TypeAdapter(Contestant).dump_json(result, indent=1))


def contest(job: Job) -> Contestant:
    """Return how one contestant did, or why it was refused."""
    factory = None
    try:
        rows = Rows.open(job.store)
        with contender(job, rows) as entered:
            factory = entered.factory
            build = entered.build()
            _step()
            exam = Exam.load(job.exam)
            measurer = Measurer(entered, exam, job.options, job.seconds, rows.vectors)
            settings = measurer.settings(entered.settings(), _step)
        measured = datetime.now(UTC).isoformat(timespec="seconds")
        return replace(job.refused("", factory), build=build, settings=settings, measured=measured)
    except ClipvecError as error:
        return job.refused(str(error), factory)


def contender(job: Job, rows: Rows) -> Contender:
    """Return the contender of a job, over the ``rows`` of its store."""
    if isinstance(job.contestant, FaissContestant):
        return FaissContender(job.contestant, rows, job.scratch, job.threads, job.options.seed)
    live = Live(job.index, job.collection)
    numbers = Numbers.load(row_numbers(job.exam))
    return ChromaContender(job.contestant, live, rows, numbers, job.scratch)


def _step() -> None:
    print("step", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
