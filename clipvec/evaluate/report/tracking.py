"""An evaluation as values and tables of a tracked run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.evaluate.report import sentences
from clipvec.evaluate.results import RECALL_AT
from clipvec.tracking import LineChart, Table, artifacts

if TYPE_CHECKING:
    from pathlib import Path

    from clipvec.evaluate.results import Evaluation
    from clipvec.tracking import Run


def track(run: Run, report: Evaluation, page: Path, collection: str) -> None:
    """Show an evaluation in a run, and keep its page and its data as an artifact."""
    if not run.tracked:
        return
    first, taken = report.models[0], report.chosen
    values: dict[str, Any] = {
        f"retrieval/{found.direction}": {
            **{f"recall@{k}": interval.value for k, interval in found.recall_at.items()},
            "median_rank": found.median_rank.value,
        }
        for found in first.retrieval
    }
    for each in first.labels.methods if first.labels else []:
        values[f"labels/{each.method}"] = {
            "accuracy": each.accuracy.value,
            "balanced_accuracy": each.balanced_accuracy.value,
        }
    for found in report.agreements:
        if found.a == first.model:
            values[f"agreement/{found.by}/{found.b}"] = {
                f"overlap@{k}": interval.value for k, interval in found.overlap_at.items()
            }
    values["advice"] = sentences.advice(report)
    if taken is not None:
        chosen = report.deployments[taken]
        values["chosen"] = {
            "deployment": sentences.deployment(chosen),
            "quality": chosen.expected,
            "images_per_s": chosen.images_per_s,
            "qps": chosen.qps,
            "bytes_per_row": chosen.bytes_per_row,
            "price": chosen.price,
        }
    run.update_summary(values)
    tables = {
        "retrieval": _retrieval(report),
        "classes": _classes(report),
        "comparisons": _comparisons(report),
        "agreements": _agreements(report),
        "deployments": _deployments(report),
    }
    for name, table in tables.items():
        if table.rows:
            run.log_table(name, table)
    lines = _by_quality(report)
    if lines.points:
        run.log_chart("pareto/quality", lines)
    run.log_artifact(artifacts.evaluation(collection, page, paths.ReportPaths(page.parent).data))


def _by_quality(report: Evaluation) -> LineChart:
    """Return quality against queries per second, where both are known, and the Pareto front."""
    known = [each for each in report.deployments if each.expected is not None and each.qps]
    points: dict[str, list[tuple[float, float]]] = {}
    for each in known:
        point = float(each.expected or 0), float(each.qps or 0)
        points.setdefault(each.model, []).append(point)
        if each.on_front:
            points.setdefault("Pareto front", []).append(point)
    title = f"Queries per second by {report.quality_of}, one at a time"
    return LineChart(title, report.quality_of, {name: sorted(of) for name, of in points.items()})


def _deployments(report: Evaluation) -> Table:
    costs = ["images_per_s", "hardware", "price", "qps", "queries", "bytes_per_row", "on_front"]
    columns = ["model", "precision", "dim", "index", "quality", "recall", "expected", *costs]
    rows: list[list[Any]] = []
    for each in report.deployments:
        quality = each.quality.value if each.quality else None
        recall = each.recall.value if each.recall else None
        known = [getattr(each, name) for name in (*columns[:4], "expected", *costs)]
        rows.append([*known[:4], quality, recall, *known[4:], ", ".join(each.misses)])
    return Table([*columns, "misses"], rows)


def _agreements(report: Evaluation) -> Table:
    limits = [f"overlap@{k}{end}" for k in RECALL_AT for end in ("", " low", " high")]
    rows = [
        [found.a, found.b, found.by, found.queries]
        + [v for each in found.overlap_at.values() for v in (each.value, each.low, each.high)]
        for found in report.agreements
    ]
    return Table(["a", "b", "by", "queries", *limits], rows)


def _comparisons(report: Evaluation) -> Table:
    rows = [
        [found.a, found.b, figure, gain.value, gain.low, gain.high, found.queries]
        for found in report.comparisons
        for figure, gain in [(sentences.figure(found, report.neighbours), found.difference)]
    ]
    return Table(["a", "b", "figure", "difference", "low", "high", "queries"], rows)


def _classes(report: Evaluation) -> Table:
    rows = [
        [model.model, each.name, each.images, method, interval.value]
        for model in report.models
        if model.labels
        for each in model.labels.classes
        for method, interval in each.accuracy.items()
    ]
    return Table(["model", "class", "images", "method", "accuracy"], rows)


def _retrieval(report: Evaluation) -> Table:
    limits = [f"recall@{k}{end}" for k in RECALL_AT for end in ("", " low", " high")]
    columns = ["model", "direction", "queries", "candidates", *limits, "median rank"]
    rows = [
        [model.model, found.direction, found.queries, found.candidates]
        + [v for each in found.recall_at.values() for v in (each.value, each.low, each.high)]
        + [found.median_rank.value]
        for model in report.models
        for found in model.retrieval
    ]
    return Table(columns, rows)
