"""From a configuration and a store to a recall report."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from clipvec import machine, paths, tracking, version
from clipvec.config import to_dict
from clipvec.errors import ClipvecError, ConfigError
from clipvec.extras import require
from clipvec.lock import locked
from clipvec.recall import report
from clipvec.recall.ground_truth import ground_truth
from clipvec.recall.queries import sources
from clipvec.recall.recommend import recommend
from clipvec.recall.report import sentences
from clipvec.recall.results import Report
from clipvec.recall.runner import Runner
from clipvec.store import Rows
from clipvec.tracking import RunSpec, artifacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clipvec.config import RecallConfig
    from clipvec.recall.results import Kind, Recommendation, SystemResult
    from clipvec.recall.workload import QuerySet

log = logging.getLogger(__name__)
_PACKAGES = ("faiss-cpu", "chromadb", "numpy", "torch")


@dataclass(frozen=True)
class RecallSummary:
    """What a run of recall found."""

    report: Report
    page: Path

    def __str__(self) -> str:
        """Return a line for each recommendation, and where the report is."""
        found = self.report
        lines = [sentences.recommended(each, found.systems) for each in found.recommendations]
        return "\n".join([*lines, f"report: {self.page}"])

    def check(self) -> None:
        """Refuse to call it a success when no system was measured.

        Raises:
            ClipvecError: with the reason of the first.
        """
        systems = self.report.systems
        if systems and all(system.skipped for system in systems):
            raise ClipvecError(
                f"none of {len(systems)} systems was measured; {systems[0].name}: "
                f"{systems[0].skipped}"
            )


def benchmark(config: RecallConfig) -> RecallSummary:
    """Measure all systems on a store and write the report.

    Raises:
        ConfigError: what was asked for cannot be measured on this store.
        FingerprintError: the model of the text queries is not the store's.
        StoreError: the store cannot be read.
        ClipvecError: ``work_dir`` cannot be written.
    """
    rows = Rows.open(config.store_url)
    _check(config, rows)
    spec = RunSpec("recall", f"recall {config.collection}", config.store.root, to_dict(config))
    with tracking.start_run(config.tracking, spec) as run:
        fingerprint = rows.store.fingerprint.to_json()
        run.use_artifact(artifacts.store(rows.store.url, config.collection, fingerprint))
        if _with_live(config):
            run.use_artifact(artifacts.index(config.index, config.collection, fingerprint))
        # Two runs at once would spoil each other's timings.
        lock = paths.WorkPaths(Path(config.work_dir)).lock
        with _written(config.work_dir), locked(lock, None, config.work_dir):
            found = _measure(config, rows)
        summary = RecallSummary(found, report.write([found], Path(config.report_dir)))
        report.track(run, found, summary.page, config.collection)
    return summary


def check_packages(command: str) -> None:
    """Refuse to begin what would fail after the measurement.

    Raises:
        ConfigError: a package of the extra ``recall`` is missing.
    """
    require(command, "recall", "faiss", "matplotlib")


def _check(config: RecallConfig, rows: Rows) -> None:
    """Refuse what would fail later: packages, another store, ``apply`` with nothing to apply."""
    check_packages("recall")
    known = rows.store.fingerprint.dataset
    for name, value in config.dataset.given().items():
        if known.get(name) != value:
            made = f"dataset.{name}={known[name]}" if name in known else f"no dataset.{name}"
            raise ConfigError(
                f"dataset.{name}={value}: the store {rows.store.url} was made with {made}; give "
                "the same, or the dataset.name of another store"
            )
    if config.apply and not _with_live(config):
        raise ConfigError(
            "apply=true: no system is the live index, so nothing will be recommended for it; add "
            "one of kind chroma, chroma_http or disk, or leave apply out"
        )


def _with_live(config: RecallConfig) -> bool:
    return any(system.live for system in config.systems.values())


def _measure(config: RecallConfig, rows: Rows) -> Report:
    options = config.measure
    k = max(*options.recall_at, options.k)
    query_sets = ground_truth(rows, sources(config.queries, rows), k)
    work_dir = Path(config.work_dir)
    runner = Runner(rows, query_sets, config.index, config.collection, options, work_dir)
    return _report(config, rows, query_sets, list(runner.run(config.systems)))


@contextmanager
def _written(work_dir: str) -> Iterator[None]:
    """Make one line of a folder that cannot be written, such as one on a full disk."""
    try:
        yield
    except OSError as error:
        raise ClipvecError(
            f"work_dir {work_dir} cannot be written: {error.strerror or error}; free space there, "
            "make it writable, or choose another work_dir, and run the same command again"
        ) from error


def _report(
    config: RecallConfig,
    rows: Rows,
    query_sets: dict[Kind, QuerySet],
    systems: list[SystemResult],
) -> Report:
    fingerprint = rows.store.fingerprint
    return Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        store=rows.store.url,
        dataset=config.dataset.name,
        model=config.model.name,
        rows=len(rows),
        rows_digest=rows.digest,
        dim=rows.dim,
        synthetic=fingerprint.dataset["kind"] == "synthetic",
        fingerprint=fingerprint.to_json(),
        hardware=machine.hardware(),
        versions=version.versions(*_PACKAGES),
        seeds={"queries": config.queries.seed, "measure": config.measure.seed},
        queries={kind: len(queries) for kind, queries in query_sets.items()},
        query_source={kind: queries.source for kind, queries in query_sets.items()},
        systems=systems,
        recommendations=list(_recommendations(config, systems, list(query_sets))),
    )


def _recommendations(
    config: RecallConfig, systems: list[SystemResult], kinds: list[Kind]
) -> Iterator[Recommendation]:
    """Yield one for what clipvec serves where it takes part, and one for each kind of query."""
    target, k = config.target_recall, config.measure.k
    if _with_live(config):
        # By the kind that is harder to answer.
        yield recommend(systems, kinds[0], target, k, among="served")
    for kind in kinds:
        yield recommend(systems, kind, target, k)
