"""All systems, one after the other, each in a process of its own."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.errors import CollectionError
from clipvec.progress import Progress
from clipvec.recall import filters
from clipvec.recall.systems.live import Live
from clipvec.recall.task import MeasureTask, digest, num_settings
from clipvec.recall.worker_process import measure_apart
from clipvec.recall.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clipvec.config import IndexConfig, MeasureConfig, SystemConfig, Systems
    from clipvec.recall.results import Kind, SystemResult
    from clipvec.recall.workload import QuerySet
    from clipvec.store import Rows

log = logging.getLogger(__name__)
_LOAD_MODES = 3
"""One query at a time, in batches, and by concurrent clients."""
_LEAST_SECONDS = 0.05
"""Of one timing."""


@dataclass(frozen=True)
class Runner:
    """Measures systems on one store with one set of queries."""

    rows: Rows
    """Of the store."""
    query_sets: dict[Kind, QuerySet]
    index: IndexConfig
    """Where the live collection lies."""
    collection: str
    """Its name."""
    options: MeasureConfig
    work_dir: Path
    """Folder of results, logs and what is passed to the processes."""

    def run(self, systems: Systems) -> Iterator[SystemResult]:
        """Yield how each system did, in their order; what was measured before is read back."""
        tasks = self._tasks(systems)
        prepared = False
        with Progress() as progress:
            bar = progress.task("rounds", sum(task.steps for task in tasks), "rounds")
            for task in tasks:
                result = task.result()
                if result is not None:
                    when = result.measured
                    log.info("%s: measured before (%s), from %s", task.name, when, task.result_file)
                    bar.advance(task.steps)
                else:
                    if not prepared:
                        self._save_workload()
                        prepared = True
                    result = measure_apart(task, self.work_dir, bar.advance)
                    if result.skipped:
                        log.warning("%s: not measured: %s", task.name, result.skipped)
                yield result

    def _tasks(self, systems: Systems) -> list[MeasureTask]:
        seconds = self._seconds(systems)
        queries = {kind: one.to_bytes() for kind, one in self.query_sets.items()}
        shared = {
            "rows": self.rows.digest,
            "queries": {kind: hashlib.sha256(data).hexdigest() for kind, data in queries.items()},
            "options": self.options,
            "seconds": seconds,
            "cores": os.cpu_count(),
        }
        work = paths.WorkPaths(self.work_dir)
        return [
            MeasureTask(
                name=name,
                system=system,
                store=self.rows.store.url,
                rows=self.rows.digest,
                index=self.index,
                collection=self.collection,
                options=self.options,
                seconds=seconds,
                threads=self.options.threads or os.cpu_count() or 1,
                workload=work.workload,
                scratch=work.scratch(name),
                result_file=work.result(
                    name, digest(**shared, system=system, live=self._live(system))
                ),
            )
            for name, system in systems.items()
        ]

    def _seconds(self, systems: Systems) -> float:
        """Return the seconds of one timing."""
        modes = _LOAD_MODES + len(self.options.selectivities)
        timings = len(self.query_sets) * modes * sum(map(num_settings, systems.values()))
        return max(self.options.time_budget_s / max(1, timings), _LEAST_SECONDS)

    def _live(self, system: SystemConfig) -> dict[str, Any]:
        """Return what identifies the live collection, if the system is that."""
        # Without a collection the system is skipped, with the reason that its own process gives.
        with contextlib.suppress(CollectionError):
            if system.live:
                return Live(self.index, self.collection).identity()
        return {}

    def _save_workload(self) -> None:
        """Write what the processes ask; filters take a pass over the store."""
        options = self.options
        few = {kind: q.head(options.max_filtered_queries) for kind, q in self.query_sets.items()}
        chosen = filters.choose(self.rows, options.selectivities, options.k)
        chosen = filters.answer(self.rows, chosen, few, options.k)
        Workload(self.query_sets, chosen).save(paths.WorkPaths(self.work_dir).workload)
