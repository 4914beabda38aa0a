"""What plots say to readers who cannot see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.errors import one_line
from clipvec.recall.report import sentences
from clipvec.web import format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.recall.report.curves import Curve, LoadMode, Point, Sized
    from clipvec.recall.results import FilteredResult


def pareto(fronts: Sequence[Sequence[Point]], kind: str, k: int, mode: LoadMode) -> str:
    """Return what a reader who cannot see a Pareto plot needs of it."""
    said = [
        f"{sentences.named(point)}: {format.share(point.recall.value)} at "
        f"{format.number(point.latency.qps)} QPS"
        for found in fronts
        for point in found
    ]
    return (
        f"Scatter plot of recall@{k} against QPS for {kind} queries, sent {mode}. "
        f"On the Pareto front: {'; '.join(said)}."
    )


def latency(shown: Sequence[Point], kind: str, mode: LoadMode) -> str:
    """Return what a reader who cannot see a latency plot needs of it."""
    said = [
        f"{sentences.named(p)}: {format.number(p.latency.p50_ms)}, "
        f"{format.number(p.latency.p95_ms)}, {format.milliseconds(p.latency.p99_ms)}"
        for p in shown
    ]
    return (
        f"Plot of the 50th, 95th and 99th percentile of the latency in milliseconds for {kind} "
        f"queries, sent {mode}. {'; '.join(said)}."
    )


def bars(what: str, bars: Sequence[tuple[Curve, float, str]]) -> str:
    """Return what a reader who cannot see a bar chart needs of it."""
    said = "; ".join(f"{one_line(curve.name)}: {text}" for curve, _, text in bars)
    return f"Bar chart of {what}. {said}."


def filtered(found: Sequence[tuple[Curve, Sequence[FilteredResult]]], kind: str, of: str) -> str:
    """Return what a reader who cannot see a plot of filtered search needs of it."""
    said = []
    for curve, searches in found:
        values = [
            format.share(f.recall.value) if of == "recall" else format.number(f.qps)
            for f in searches
        ]
        admitted = [format.percent(f.selectivity) for f in searches]
        pairs = ", ".join(f"{v} at {a}" for v, a in zip(values, admitted, strict=True))
        said.append(f"{one_line(curve.name)}: {pairs}")
    what = "Recall" if of == "recall" else "QPS"
    return f"{what} by share of rows that a filter admits, {kind} queries. {'; '.join(said)}."


def sizes(found: Sequence[Sequence[Sized]], of: str) -> str:
    """Return what a reader who cannot see a plot by size needs of it."""
    said = []
    for line in found:
        values = ", ".join(f"{format.number(one.value)} at {one.rows:,} rows" for one in line)
        said.append(f"{one_line(line[0].curve.system.name)}: {values}")
    return f"Line plot of {of} by rows of the store. {'; '.join(said)}."
