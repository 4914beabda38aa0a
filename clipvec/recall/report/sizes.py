"""The plot of how speed and build time grow with the store."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from clipvec.errors import one_line
from clipvec.progress import duration
from clipvec.recall.report import alt, curves, figures, sentences
from clipvec.recall.report.curves import KINDS, Sized
from clipvec.recall.report.panels import Plot, legend
from clipvec.web import Panel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.recall.report.curves import Curve, LoadMode, Run
    from clipvec.recall.results import Kind


def by_size(runs: Sequence[Run], mode: LoadMode) -> Plot:
    """Return how speed and build time grow with the store, where runs differ in size."""
    if len({run.report.rows for run in runs}) < 2:
        return Plot("size", "", 0, [], [])
    lines = curves.curves(runs)
    speeds = {kind: [_sized_speed(runs, c, kind, mode) for c in lines] for kind in KINDS}
    both = [one for found in speeds.values() for one in found]
    builds = [_sized_build(runs, curve) for curve in lines]
    panels = [
        _size_panel(runs, f"Speed, {kind} queries", "QPS", found, both)
        for kind, found in speeds.items()
    ]
    panels.append(_size_panel(runs, "Time to build", "seconds", builds, builds))
    caption = (
        f"By the number of rows: QPS, queries sent {mode}, at the fastest setting that "
        "reaches the target (hollow: at that of the best recall, where none does), and the time "
        "to build."
    )
    named = {curve.style: replace(curve, name=curve.system.name, run=0) for curve in lines}
    drawn = [panel for panel in panels if panel]
    return Plot("size", caption, 2.8, drawn, legend(named.values()), width=3.3)


def _sized_speed(runs: Sequence[Run], curve: Curve, kind: Kind, mode: LoadMode) -> Sized | None:
    target = runs[curve.run].target
    point = curves.shown(curve, kind, target, mode)
    if not point:
        return None
    rows = runs[curve.run].report.rows
    good = point.recall.value >= target.recall
    return Sized(curve, rows, point.latency.qps, good, sentences.tip(point, target.k))


def _sized_build(runs: Sequence[Run], curve: Curve) -> Sized | None:
    build = curve.system.build
    if not build or not build.seconds:
        return None
    said = f"{one_line(curve.name)}\n{duration(build.seconds)}"
    return Sized(curve, runs[curve.run].report.rows, build.seconds, True, said)


def _size_panel(
    runs: Sequence[Run],
    title: str,
    of: str,
    found: Sequence[Sized | None],
    everything: Sequence[Sized | None],
) -> Panel | None:
    """Return a panel with a line for each system on the stores of one dataset and model."""
    groups: dict[tuple[int, str, str], list[Sized]] = {}
    for one in found:
        if one:
            report = runs[one.curve.run].report
            groups.setdefault((one.curve.style, report.dataset, report.model), []).append(one)
    drawn = [sorted(group, key=lambda one: one.rows) for group in groups.values()]
    if not drawn:
        return None
    said = alt.sizes(drawn, of)
    scale = [one for one in everything if one]
    return Panel(title, said, partial(figures.by_size, found=drawn, everything=scale, of=of))
