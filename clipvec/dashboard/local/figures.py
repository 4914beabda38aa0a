"""The plots of a dashboard, each as an ``<svg>`` element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipvec.dashboard.local import series
from clipvec.errors import one_line
from clipvec.web import count_scale, format, palette, recall_scale, svg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes

    from clipvec.dashboard.local.series import Line
    from clipvec.dashboard.panels import Chart, Curves
    from clipvec.tracking import RecordedRun

_SIZE = (4.6, 2.7)
"""Inches."""


@dataclass(frozen=True)
class Figure:
    """A drawn panel."""

    title: str
    svg: Markup
    caption: str
    legend: list[tuple[str, str]]
    """Name and CSS colour variable of each line; none where there is one without a name."""


def curves(name: str, panel: Curves, step: str, runs: Sequence[RecordedRun]) -> Figure | None:
    """Return the plot of a panel, or None where no run has any of it."""
    from matplotlib.figure import Figure as Canvas

    lines = series.lines(panel, runs)
    if not lines:
        return None
    with svg.drawing():
        canvas = Canvas(figsize=_SIZE, layout="constrained")
        axes = canvas.subplots()
        tips: dict[str, str] = {}
        if panel.stacked:
            _stack(axes, lines)
        else:
            tips = _draw(axes, lines, panel.unit, step)
        axes.set_xlabel(step)
        axes.set_ylabel(panel.unit)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter(lambda value, _: _tick(value, panel.unit))
        axes.xaxis.set_major_formatter(lambda value, _: _tick(value, step))
        element = svg.inline(canvas, name, _alt(panel, lines), tips)
    legend = [(line.name, palette.look(i).variable) for i, line in enumerate(lines)]
    return Figure(panel.title, element, _caption(lines), legend if len(lines) > 1 else [])


def _draw(axes: Axes, lines: Sequence[Line], unit: str, step: str) -> dict[str, str]:
    tips = {}
    for number, line in enumerate(lines):
        look = palette.look(number)
        if line.low is not None and line.high is not None:
            axes.fill_between(
                line.steps, line.low, line.high, color=look.colour, alpha=0.2, linewidth=0
            )
        axes.plot(line.steps, line.values, color=look.colour, linewidth=1.6)
        for at in _marked(line):
            gid = f"line-{number}-{at}"
            axes.plot(
                [line.steps[at]],
                [line.values[at]],
                marker="o",
                markersize=3.5,
                color=look.colour,
                gid=gid,
            )
            tips[gid] = (
                f"{line.name}\n{format.number(line.values[at])} {unit}\n"
                f"at {line.steps[at]:,.0f} {step}"
            )
    return tips


def _marked(line: Line) -> list[int]:
    """Return the points that say what they are: at most a dozen, the last among them."""
    count = len(line.steps)
    return sorted({round(at) for at in np.linspace(0, count - 1, min(count, 12))})


def _stack(axes: Axes, lines: Sequence[Line]) -> None:
    steps = np.unique(np.concatenate([line.steps for line in lines]))
    values = [np.interp(steps, line.steps, line.values) for line in lines]
    colours = [palette.look(i).colour for i in range(len(lines))]
    if len(steps) == 1:  # a run of one point: a bar of it
        below = 0.0
        for value, colour in zip(values, colours, strict=True):
            axes.bar(steps, value, bottom=below, color=colour, alpha=0.75)
            below += float(value[0])
    else:
        axes.stackplot(steps, *values, colors=colours, alpha=0.75)


def _tick(value: float, unit: str) -> str:
    if unit == "bytes":
        return format.size(value) if value else "0"
    return format.tick(value) if value else "0"


def _caption(lines: Sequence[Line]) -> str:
    runs = max(line.runs for line in lines)
    if runs == 1:
        return ""
    if lines[0].low is None:
        return f"The mean of {runs:,} runs."
    return f"The median of {runs:,} runs; the band holds 8 in 10 of them."


def _alt(panel: Curves, lines: Sequence[Line]) -> str:
    last = "; ".join(f"{one_line(x.name)}: {format.number(x.values[-1])}" for x in lines)
    return f"{panel.title}, {panel.unit}. At the end: {last}."


def chart(name: str, panel: Chart, run: RecordedRun) -> Figure | None:
    """Return a chart as a run has it, recall against queries per second, or None without it."""
    from matplotlib.figure import Figure as Canvas

    rows = run.table(f"{panel.key}_table")
    if not rows:
        return None
    lines: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        lines.setdefault(row["lineKey"], []).append((row["step"], row["lineVal"]))
    with svg.drawing():
        canvas = Canvas(figsize=_SIZE, layout="constrained")
        axes = canvas.subplots()
        tips = _front(axes, lines)
        axes.set_yscale("log")
        recall_scale(axes, "x", [row["step"] for row in rows])
        count_scale(axes, "y", [row["lineVal"] for row in rows])
        axes.set_xlabel(panel.x)
        axes.set_ylabel("queries per second")
        element = svg.inline(canvas, name, f"{panel.title}: {', '.join(lines)}.", tips)
    legend = [(line, palette.look(i).variable) for i, line in enumerate(lines)]
    return Figure(panel.title, element, "", legend)


def _front(axes: Axes, lines: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, str]:
    tips = {}
    for number, (line, points) in enumerate(lines.items()):
        look = palette.look(number)
        axes.plot(*zip(*points, strict=True), color=look.colour, linewidth=1.3)
        for at, (recall, qps) in enumerate(points):
            gid = f"line-{number}-{at}"
            axes.plot([recall], [qps], marker=look.marker, color=look.colour, gid=gid, markersize=5)
            tips[gid] = f"{line}\nrecall {format.share(recall)}\n{format.number(qps)} queries/s"
    return tips
