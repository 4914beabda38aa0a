"""``python -m clipvec.recall.worker <task.json>``: builds and measures one system.

In a process of its own, so that its peak memory is its own and its crash costs nobody else. It
prints a line for each finished step and writes its result as JSON. It exits when stdin closes,
which happens if the parent process is killed.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from clipvec.errors import ClipvecError, DiskFullError, StoreError
from clipvec.files import write_atomically
from clipvec.process import when_parent_ends
from clipvec.recall.measure import Measurer
from clipvec.recall.recall_at_k import Ties
from clipvec.recall.results import SystemResult
from clipvec.recall.task import MeasureTask
from clipvec.recall.workload import Workload
from clipvec.store import Rows

_MEND = "free space in work_dir, make it writable, or choose another"


def main(file: str) -> None:
    """Do the task in ``file``."""
    logging.basicConfig(level=logging.INFO)
    # Unwinds, so that a server that was started ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    task = MeasureTask.read(Path(file))
    result = measure(task)
    write_atomically(task.result_file, TypeAdapter(SystemResult).dump_json(result, indent=1))


def measure(task: MeasureTask) -> SystemResult:
    """Return how the system did, or why it was skipped."""
    factory = None
    try:
        rows = _rows(task)
        with task.system.load().of(task, rows) as system:
            factory = system.factory
            build = system.build()
            _step()
            workload = Workload.load(task.workload)
            measurer = Measurer(system, workload, task.options, task.seconds, Ties.of(rows))
            settings = measurer.measure(system.search_params(), _step)
        measured = datetime.now(UTC).isoformat(timespec="seconds")
        return replace(task.skipped("", factory), build=build, settings=settings, measured=measured)
    except (OSError, DiskFullError) as error:
        return task.skipped(f"{error}; {_MEND}", factory)
    except ClipvecError as error:
        return task.skipped(str(error), factory)


def _rows(task: MeasureTask) -> Rows:
    """Return the rows that the workload numbers."""
    rows = Rows.open(task.store)
    if rows.digest != task.rows:
        raise StoreError(
            f"rows of {task.store} were added or deleted while it was measured; run the same "
            "command again"
        )
    return rows


def _step() -> None:
    print("step", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
