"""Logged points become lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clipvec.dashboard.panels import series
from clipvec.dashboard.panels.curves import Curves
from clipvec.tracking.reader import RecordedRun


def run(number: int, points: list[dict[str, Any]], **given: Any) -> RecordedRun:
    made = RecordedRun(f"s-{number}", f"s-{number}", "p", "s", "embed", [], [], **given)
    made.history = points
    return made


def jobs(count: int) -> list[RecordedRun]:
    return [
        run(n, [{"_step": step, "images_per_s": n + step / 100} for step in (0, 100)])
        for n in range(count)
    ]


SPEED = Curves("Speed", ("images_per_s",), "images/s")


def test_a_few_runs_get_a_line_each() -> None:
    lines = series.lines(SPEED, jobs(3))
    assert [line.name for line in lines] == ["0", "1", "2"]
    assert [list(line.values) for line in lines] == [[0, 1], [1, 2], [2, 3]]
    assert all(line.low is None for line in lines)


def test_many_runs_are_one_line_with_a_band() -> None:
    (line,) = series.lines(SPEED, jobs(101))
    assert line.runs == 101
    assert (line.values[0], line.values[-1]) == (50, 51)
    assert line.low is not None
    assert line.high is not None
    assert (line.low[0], line.high[0]) == (10, 90)


def test_a_run_counts_only_where_it_has_values() -> None:
    runs = [*jobs(7), run(9, [{"_step": 0, "images_per_s": 99}, {"_step": 10, "images_per_s": 99}])]
    (line,) = series.lines(SPEED, runs)
    assert line.high is not None
    assert line.high[0] > 20
    assert line.high[-1] < 7


def test_metrics_with_a_prefix_become_lines() -> None:
    panel = Curves("Shares", ("share/",), "share", stacked=True)
    runs = [
        run(n, [{"_step": s, "share/read": r, "share/write": 1 - r} for s in (0, 8)])
        for n, r in enumerate((0.2, 0.4))
    ]
    lines = series.lines(panel, runs)
    assert [line.name for line in lines] == ["read", "write"]
    assert lines[0].values == pytest.approx(0.3)
    assert lines[1].values == pytest.approx(0.7)


def test_repeated_steps_count_once() -> None:
    points = [{"_step": s, "images_per_s": v} for s, v in ((8, 1), (16, 2), (16, 5), (24, 6))]
    (line,) = series.lines(SPEED, [run(0, points)])
    assert list(line.steps) == [8, 16, 24]
    assert list(line.values) == [1, 5, 6]


def test_system_metrics_are_placed_by_time() -> None:
    points = [{"_step": s, "_timestamp": t} for s, t in ((0, 1000.0), (80, 1010.0))]
    machine = [{"_timestamp": 1005.0, "system/gpu.0.gpu": 66.0}]
    panel = Curves("GPU", ("system/gpu.0.gpu",), "%")
    (line,) = series.lines(panel, [run(0, points, system_metrics=machine)])
    assert (list(line.steps), list(line.values)) == ([40], [66])


def test_runs_with_a_single_step() -> None:
    runs = [run(n, [{"_step": 10 * n, "images_per_s": n}]) for n in range(9)]
    (line,) = series.lines(SPEED, runs)
    assert np.isfinite(line.values).all()
    assert len(line.values) >= 1


def test_nothing_logged() -> None:
    assert series.lines(SPEED, [run(0, [{"_step": 1, "other": 1}])]) == []
    assert series.lines(SPEED, []) == []
