"""Which plots a report has, and what each shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from clipvec.progress import duration
from clipvec.recall.report import alt, curves, figures, sizes
from clipvec.recall.report.curves import KINDS
from clipvec.recall.report.panels import Plot, legend
from clipvec.web import Panel, format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.axes import Axes

    from clipvec.recall.report.curves import LoadMode, Point, Run
    from clipvec.recall.results import Build, Kind
    from clipvec.web import Tips


@dataclass(frozen=True)
class Chapter:
    """Plots of one matter, of which a page shows one at a time."""

    title: str
    plots: list[Plot]


def pareto(runs: Sequence[Run], k: int, mode: LoadMode) -> Plot:
    """Return recall@k against queries per second."""
    lines = curves.curves(runs)
    found = {kind: [p for c in lines for p in curves.points(c, kind, k, mode)] for kind in KINDS}
    everything = [point for points in found.values() for point in points]
    panels = [
        Panel(
            _title(kind),
            alt.pareto(curves.fronts(points), kind, k, mode),
            partial(_pareto, runs, points, everything, k, mode, kind),
        )
        for kind, points in found.items()
        if points
    ]
    caption = (
        f"Recall@{k} against QPS, queries sent {mode}. Up and to the right is better; the "
        "shaded band and the filled markers are the Pareto front. The recall axis is stretched "
        "towards 1."
    )
    if mode == curves.SINGLE and any(
        run.target.k == k and run.report.recommendations for run in runs
    ):
        caption += " A ring marks the recommendation."
    shown = {point.curve.number for point in everything}
    named = legend(curve for curve in lines if curve.number in shown)
    return Plot(f"recall-at-{k}-{mode.slug}", caption, 3.7, panels, named, k=k, mode=mode)


def _pareto(
    runs: Sequence[Run],
    found: Sequence[Point],
    everything: Sequence[Point],
    k: int,
    mode: LoadMode,
    kind: Kind,
    axes: Axes,
) -> Tips:
    tips = figures.pareto(axes, found, everything, k)
    ringed = _recommended(runs, found, kind) if mode == curves.SINGLE else []
    for target in {run.target for run in runs if run.target.k == k}:
        figures.mark_target(axes, target, ringed)
    return tips


def _recommended(runs: Sequence[Run], found: Sequence[Point], kind: Kind) -> list[Point]:
    """Return the points that are recommended."""
    chosen = [
        (number, found.choice.system, found.choice.parameters)
        for number, run in enumerate(runs)
        for found in run.report.recommendations
        if found.kind == kind and found.choice
    ]
    return [p for p in found if (p.curve.run, p.curve.system.name, p.setting.parameters) in chosen]


def latency(runs: Sequence[Run], mode: LoadMode) -> Plot:
    """Return percentiles of the latency, at the setting that meets the target."""
    found: dict[Kind, list[Point]] = {}
    for kind in KINDS:
        points = [curves.shown(c, kind, runs[c.run].target, mode) for c in curves.curves(runs)]
        found[kind] = sorted((p for p in points if p), key=lambda p: p.latency.p50_ms)
    everything = [point for points in found.values() for point in points]
    target = runs[0].target
    panels = [
        Panel(
            _title(kind),
            alt.latency(points, kind, mode),
            partial(figures.latency, found=points, everything=everything, k=target.k),
        )
        for kind, points in found.items()
        if points
    ]
    caption = (
        f"Latency of a call, queries sent {mode}: the fastest setting of each system that reaches "
        f"recall@{target.k} of {target.recall:g}, or else that of its best recall."
    )
    rows = max((len(points) for points in found.values()), default=0)
    return Plot(f"latency-{mode.slug}", caption, 0.8 + 0.36 * rows, panels, [], mode=mode)


def build(runs: Sequence[Run]) -> Plot:
    """Return what it took to build each index."""
    lines = [curve for curve in curves.curves(runs) if curve.system.build]
    panels = []
    for title, value, write in _COSTS:
        costs = [(c, value(c.system.build)) for c in lines if c.system.build]
        if any(cost for _, cost in costs):
            bars = [(c, cost or 0, write(cost) if cost else "not known") for c, cost in costs]
            said = alt.bars(title.lower(), bars)
            panels.append(Panel(title, said, partial(figures.bars, found=bars)))
    caption = (
        "What it took to build each index, in a process of its own; of a Chroma collection, what "
        "clipvec index recorded when it loaded it."
    )
    return Plot("build", caption, 0.2 + 0.36 * len(lines), panels, [], width=3.3)


_COSTS: tuple[tuple[str, Callable[[Build], float | None], Callable[[float], str]], ...] = (
    ("Time to build", lambda build: build.seconds, duration),
    ("Peak memory of the build", lambda build: build.peak_bytes, format.size),
    ("Bytes on disk per vector", lambda build: build.bytes_per_vector, lambda n: f"{n:,.0f} B"),
)


def filtered(runs: Sequence[Run], mode: LoadMode) -> Plot:
    """Return recall and speed under metadata filters."""
    found = {kind: _searches(runs, kind, mode) for kind in KINDS}
    everything = [pair for pairs in found.values() for pair in pairs]
    panels = [
        Panel(
            f"{_title(kind)}: {'recall' if of == 'recall' else 'speed'}",
            alt.filtered(pairs, kind, of),
            partial(figures.filtered, found=pairs, everything=everything, of=of),
        )
        for kind, pairs in found.items()
        if pairs
        for of in ("recall", "qps")
    ]
    caption = (
        "Search under a metadata filter, by the share of rows that the filter admits, at the "
        "setting that meets the target without one."
    )
    named = {curve.number: curve for curve, _ in everything}
    return Plot("filtered", caption, 3.1, panels, legend(named.values()))


def _searches(runs: Sequence[Run], kind: Kind, mode: LoadMode) -> list[figures.Searches]:
    pairs: list[figures.Searches] = []
    for curve in curves.curves(runs):
        if picked := curves.filtered(curve, kind, runs[curve.run].target, mode):
            admitted = [search for search in picked[1] if search.selectivity > 0]
            if admitted:
                pairs.append((curve, admitted))
    return pairs


def chapters(runs: Sequence[Run]) -> Iterator[Chapter]:
    """Return all plots of a report; what was not measured has none."""
    modes, ranks = curves.modes(runs), curves.ranks(runs)
    groups = (
        ("Recall and speed", [pareto(runs, k, mode) for k in ranks for mode in modes]),
        ("Size of the store", [sizes.by_size(runs, mode) for mode in modes[:1]]),
        ("Latency", [latency(runs, mode) for mode in modes]),
        ("Filtered search", [filtered(runs, mode) for mode in modes[:1]]),
        ("Build cost", [build(runs)]),
    )
    for title, plots in groups:
        drawn = [plot for plot in plots if plot.panels]
        if drawn:
            yield Chapter(title, drawn)


def _title(kind: Kind) -> str:
    return f"{kind.capitalize()} queries"
