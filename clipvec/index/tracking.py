"""The tracking run of an index: rows/s, memory, what was verified."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psutil

from clipvec import tracking
from clipvec.config import to_dict
from clipvec.tracking import RunSpec, artifacts

if TYPE_CHECKING:
    from clipvec.config import IndexCommandConfig
    from clipvec.index.build import IndexSummary
    from clipvec.store import Store
    from clipvec.tracking import Run


class IndexLogger:
    """Logs the loading of an index to its tracking run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._rows = 0
        self._last = (time.monotonic(), 0)

    def held(self, rows: int) -> None:
        """Set the number of rows that the index holds before any are loaded."""
        self._rows = rows
        self._last = (time.monotonic(), rows)

    def loaded(self, rows: int) -> None:
        """Count rows, and add a point to the curves where it is time for one."""
        self._rows += rows
        if self._run.should_log():
            self._point()

    def end(self, summary: IndexSummary, config: IndexCommandConfig, store: Store) -> None:
        """Add the last point, and tell what stands for the whole loading."""
        if not self._run.tracked:
            return
        if self._rows > self._last[1]:
            self._point()
        keys = ["rows", "rows_per_s", "verified", "loaded", "reused", "replaced", "dropped"]
        keys += ["deleted"]
        self._run.update_summary({key: getattr(summary, key) for key in keys})
        index = artifacts.index(config.index, summary.name, store.fingerprint.to_json())
        self._run.log_artifact(index)

    def _point(self) -> None:
        now = time.monotonic()
        then, rows = self._last
        self._last = (now, self._rows)
        values = {
            "rows": self._rows,
            "rows_per_s": (self._rows - rows) / max(now - then, 1e-9),
            "memory_bytes": psutil.Process().memory_info().rss,
        }
        self._run.log(values, step=self._rows)


def start_run(config: IndexCommandConfig, store: Store) -> Run:
    """Return the run of a loading, which uses a store."""
    job = RunSpec("index", f"index {config.collection}", config.store.root, to_dict(config))
    run = tracking.start_run(config.tracking, job)
    run.use_artifact(artifacts.store(store.url, config.collection, store.fingerprint.to_json()))
    return run
