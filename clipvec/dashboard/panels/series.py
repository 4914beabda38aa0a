"""Turns the history of runs into the lines of a plot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipvec.tracking import SYSTEM_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.dashboard.panels.curves import Curves
    from clipvec.tracking import RecordedRun

APART = 6
"""Maximum number of runs with a line each; more are aggregated."""
_GRID = 120
"""Number of steps at which aggregated runs are compared."""


@dataclass(frozen=True)
class Line:
    """One line, with a band if it aggregates several runs."""

    name: str
    steps: np.ndarray
    """float64 [P], ascending."""
    values: np.ndarray
    """float64 [P]; for several runs their median, or their mean if lines are stacked."""
    low: np.ndarray | None = None
    """float64 [P], the 10th percentile over several runs."""
    high: np.ndarray | None = None
    runs: int = 1


def lines(panel: Curves, runs: Sequence[RecordedRun]) -> list[Line]:
    """Return a panel's lines: one per run, or one per metric over all runs."""
    found = {key: curves for key in _keys(panel, runs) if (curves := _curves(key, runs))}
    if len(found) == 1:
        (curves,) = found.values()
        if len(curves) <= APART:
            return [Line(name, *curve) for name, curve in curves.items()]
    grid = _grid([curve for curves in found.values() for curve in curves.values()])
    together = [
        _together(_short(key, panel), list(curves.values()), grid, panel.stacked)
        for key, curves in found.items()
    ]
    return [line for line in together if line.values.any() or not panel.stacked]


def _keys(panel: Curves, runs: Sequence[RecordedRun]) -> list[str]:
    """Return the metrics of a panel; those of a prefix in the order of their first values."""
    logged = dict.fromkeys(key for run in runs for point in run.history for key in point)
    found = []
    for key in panel.metrics:
        found += [name for name in logged if name.startswith(key)] if key.endswith("/") else [key]
    return sorted(found) if len(found) > 1 else found


def _short(key: str, panel: Curves) -> str:
    prefix = next((p for p in panel.metrics if p.endswith("/") and key.startswith(p)), "")
    return key.removeprefix(prefix)


def _curves(key: str, runs: Sequence[RecordedRun]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the steps and values of a metric by run."""
    found = {}
    for run in runs:
        points = sorted(_points(key, run))
        if points:
            steps, values = np.array(points, dtype=np.float64).T
            # A preempted job repeats some of its steps: the later value wins.
            last = np.append(np.diff(steps) > 0, True)
            found[run.id.removeprefix(f"{run.sweep}-")] = (steps[last], values[last])
    return found


def _points(key: str, run: RecordedRun) -> Iterator[tuple[float, float]]:
    if not key.startswith(SYSTEM_PREFIX):
        for point in run.history:
            if isinstance(point.get(key), int | float):
                yield point["_step"], point[key]
        return
    # System metrics have times only; the run's own points give the step at each time.
    measured = [(at["_timestamp"], at[key]) for at in run.system_metrics if key in at]
    if measured and run.history:
        times, values = zip(*measured, strict=True)
        known = np.array([(point["_timestamp"], point["_step"]) for point in run.history])
        steps = np.interp(np.array(times), known[:, 0], known[:, 1])
        yield from zip(steps.tolist(), values, strict=True)


def _grid(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    if not curves:
        return np.empty(0)
    ends = [end for steps, _ in curves for end in (steps[0], steps[-1])]
    return np.linspace(min(ends), max(ends), _GRID)


def _together(
    name: str, curves: Sequence[tuple[np.ndarray, np.ndarray]], grid: np.ndarray, stacked: bool
) -> Line:
    """Return one line for several runs; each counts only where it has values."""
    rows = np.array([np.interp(grid, s, v, left=np.nan, right=np.nan) for s, v in curves])
    some = ~np.isnan(rows).all(axis=0)
    rows, steps = rows[:, some], grid[some]
    if not rows.size:  # each run has a single step, between those of the grid
        rows, steps = np.array([[v[-1]] for _, v in curves]), curves[0][0][-1:]
    if stacked:
        return Line(name, steps, np.nanmean(rows, axis=0), runs=len(curves))
    low, middle, high = np.nanpercentile(rows, [10, 50, 90], axis=0)
    if len(curves) == 1:
        return Line(name, steps, middle)
    return Line(name, steps, middle, low, high, len(curves))
