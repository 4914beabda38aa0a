"""A report as the tables and charts of a tracked run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.recall.report import curves, tables
from clipvec.tracking import LineChart, Table, artifacts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clipvec.recall.report.curves import Run
    from clipvec.recall.results import Kind, Parameters, Recommendation, Report
    from clipvec.tracking import Run as TrackedRun


def track(run: TrackedRun, report: Report, page: Path, collection: str) -> None:
    """Show a report in a run, and keep its page and its data as an artifact."""
    if not run.tracked:
        return
    runs = curves.label([report])
    for name, rows in _tables(runs).items():
        if rows.rows:
            run.log_table(name, rows)
    for kind in report.queries:
        for k in curves.ranks(runs):
            lines = _pareto(runs, kind, k)
            if lines.points:
                run.log_chart(f"pareto/{kind}@{k}", lines)
    found = report.recommendations
    run.update_summary({f"recommendation/{r.kind}/{r.among}": _recommendation(r) for r in found})
    run.log_artifact(artifacts.report(collection, page, paths.ReportPaths(page.parent).data))


def _pareto(runs: Sequence[Run], kind: Kind, k: int) -> LineChart:
    """Return recall@k against queries per second, one query at a time, and the Pareto front."""
    found = {c.name: curves.points(c, kind, k, curves.SINGLE) for c in curves.curves(runs)}
    everything = [point for points in found.values() for point in points]
    found["Pareto front"] = curves.front(everything)
    return LineChart(
        f"Queries per second by recall@{k}, {kind} queries one at a time",
        f"recall@{k}",
        {
            name: [(point.recall.value, point.latency.qps) for point in points]
            for name, points in found.items()
            if points
        },
    )


def _tables(runs: Sequence[Run]) -> dict[str, Table]:
    ranks = curves.ranks(runs)
    columns = ["index", "parameters", "queries", "load", *(f"recall@{k}" for k in ranks)]
    settings = [
        [r.curve.name, _words(r.setting.parameters), r.kind, str(r.mode)]
        + [r.recall[k].value if k in r.recall else None for k in ranks]
        + [r.latency.qps, r.latency.qps_low, r.latency.qps_high, r.latency.calls]
        + [r.latency.p50_ms, r.latency.p95_ms, r.latency.p99_ms, r.on_front]
        for r in tables.settings(runs)
    ]
    builds = [
        [c.name, c.system.factory, b.rows, b.seconds, b.peak_bytes, b.disk_bytes, c.system.measured]
        for c in tables.builds(runs)
        if (b := c.system.build)
    ]
    filtered = [
        [
            r.curve.name,
            _words(r.setting.parameters),
            r.search.kind,
            r.search.filter,
            r.search.selectivity,
            r.search.k,
            r.search.queries,
            r.search.recall.value,
            r.search.qps,
        ]
        for r in tables.filtered(runs)
    ]
    speeds = ["qps", "qps_low", "qps_high", "calls", "p50_ms", "p95_ms", "p99_ms", "on_front"]
    costs = ["rows", "seconds", "peak_bytes", "disk_bytes", "measured"]
    searched = ["filter", "selectivity", "k", "asked", "recall", "qps"]
    return {
        "settings": Table([*columns, *speeds], settings),
        "builds": Table(["index", "factory", *costs], builds),
        "filtered": Table(["index", "parameters", "queries", *searched], filtered),
    }


def _recommendation(recommendation: Recommendation) -> dict[str, Any]:
    found = recommendation.choice or recommendation.nearest
    target = {"target_recall": recommendation.target_recall, "k": recommendation.k}
    about = {"met": recommendation.choice is not None, **target}
    if found is None:
        return about
    return about | {
        "index": found.system,
        "parameters": found.parameters,
        "recall": found.validation.value,
        "qps": found.qps,
        "configuration": recommendation.config,
    }


def _words(parameters: Parameters) -> str:
    return " ".join(f"{key}={value:g}" for key, value in parameters.items())
