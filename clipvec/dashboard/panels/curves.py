"""Metrics over the steps of runs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.dashboard.panels import series
from clipvec.dashboard.panels.base import Panel, Slot
from clipvec.dashboard.panels.figure import canvas, frame, inline, numbers
from clipvec.errors import one_line
from clipvec.tracking import SYSTEM_PREFIX
from clipvec.web import format, palette

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

    from clipvec.dashboard.panels.series import Line
    from clipvec.tracking import RecordedRun


_COUNTED = {"bytes", "images", "jobs", "rows", "shards"}
"""Units of which there are no fractions."""


@dataclass(frozen=True)
class Curves(Panel):
    """Metrics of all runs: one line each, or their median if there are many runs."""

    metrics: tuple[str, ...]
    """A name ending in ``/`` stands for all metrics with that prefix."""
    unit: str
    """Unit of the y axis."""
    stacked: bool = False
    """The metrics are parts of a whole."""

    slot = Slot.FIGURES
    wandb_size = (8, 7)

    @property
    def keys(self) -> tuple[str, ...]:
        """The metrics."""
        return self.metrics

    @property
    def label(self) -> str:
        """The title, and whether the lines are stacked."""
        return f"{self.title} (stacked)" if self.stacked else self.title

    def wandb(self, step: str) -> Any:
        """Return a line plot."""
        import wandb_workspaces.reports.v2 as wr

        # wandb's system metrics have times only, no steps.
        timed = all(key.startswith(SYSTEM_PREFIX) for key in self.metrics)
        shown: dict[str, Any] = {"y": list(self.metrics)}
        if any(key.endswith("/") for key in self.metrics):
            shown = {"metric_regex": "|".join(map(_pattern, self.metrics))}
        return wr.LinePlot(
            title=self.title,
            x="RelativeTime(Process)" if timed else "Step",
            title_x="seconds" if timed else step or None,
            title_y=self.unit,
            groupby=wr.Metric("Group"),
            groupby_aggfunc="mean",
            groupby_rangefunc="minmax",
            plot_type="stacked-area" if self.stacked else "line",
            **shown,
        )

    def html(self, name: str, step: str, runs: Sequence[RecordedRun]) -> Markup | None:
        """Return a figure."""
        lines = series.lines(self, runs)
        if not lines:
            return None
        if all(len(line.steps) == 1 for line in lines):
            return numbers(self.title, {self._name(x, lines): self._said(x) for x in lines})
        with canvas() as (figure, axes):
            tips: dict[str, str] = {}
            if self.stacked:
                _stack(axes, lines)
            else:
                tips = _draw(axes, lines, self.unit, step)
            axes.set_xlabel(step)
            axes.set_ylabel(self.unit)
            axes.set_ylim(bottom=0)
            for axis, unit in ((axes.yaxis, self.unit), (axes.xaxis, step)):
                _ticks(axis, unit)
            plot = inline(figure, axes, name, self._alt(lines), tips)
        legend = [(line.name, palette.line_style(i).variable) for i, line in enumerate(lines)]
        return frame(self.title, plot, legend if len(lines) > 1 else [], _caption(lines))

    def _name(self, line: Line, lines: Sequence[Line]) -> str:
        return line.name if len(lines) > 1 else self.unit

    def _said(self, line: Line) -> str:
        value = float(line.values[-1])
        if self.unit == "bytes":
            return format.size(value)
        return format.tick(value) if value.is_integer() else format.number(value)

    def _alt(self, lines: Sequence[Line]) -> str:
        last = "; ".join(f"{one_line(x.name)}: {format.number(x.values[-1])}" for x in lines)
        return f"{self.title}, {self.unit}. At the end: {last}."


def _pattern(key: str) -> str:
    return f"^{re.escape(key)}" + (".*" if key.endswith("/") else "$")


def _draw(axes: Axes, lines: Sequence[Line], unit: str, step: str) -> dict[str, str]:
    tips = {}
    for number, line in enumerate(lines):
        style = palette.line_style(number)
        if line.low is not None and line.high is not None:
            axes.fill_between(
                line.steps, line.low, line.high, color=style.colour, alpha=0.2, linewidth=0
            )
        axes.plot(line.steps, line.values, color=style.colour, linewidth=1.6)
        for at in _marked(line):
            gid = f"line-{number}-{at}"
            axes.plot(
                [line.steps[at]],
                [line.values[at]],
                marker="o",
                markersize=3.5,
                color=style.colour,
                gid=gid,
            )
            tips[gid] = (
                f"{line.name}\n{format.number(line.values[at])} {unit}\n"
                f"at {line.steps[at]:,.0f} {step}"
            )
    return tips


def _marked(line: Line) -> list[int]:
    """Return the points that get a tooltip: at most a dozen, including the last."""
    count = len(line.steps)
    return sorted({round(at) for at in np.linspace(0, count - 1, min(count, 12))})


def _stack(axes: Axes, lines: Sequence[Line]) -> None:
    steps = np.unique(np.concatenate([line.steps for line in lines]))
    values = [np.interp(steps, line.steps, line.values) for line in lines]
    colours = [palette.line_style(i).colour for i in range(len(lines))]
    axes.stackplot(steps, *values, colors=colours, alpha=0.75)


def _ticks(axis: Axis, unit: str) -> None:
    from matplotlib.ticker import MaxNLocator

    if unit in _COUNTED:
        axis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
    write = format.size if unit == "bytes" else format.tick
    axis.set_major_formatter(lambda value, _: write(value) if value else "0")


def _caption(lines: Sequence[Line]) -> str:
    runs = max(line.runs for line in lines)
    if runs == 1:
        return ""
    if lines[0].low is None:
        return f"The mean of {runs:,} runs."
    return f"The median of {runs:,} runs; the band holds 8 in 10 of them."
