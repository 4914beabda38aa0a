"""The rows of a report's tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec.recall.report import curves
from clipvec.recall.report.curves import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.bootstrap import Interval
    from clipvec.recall.report.curves import Curve, LoadMode, Run
    from clipvec.recall.results import (
        FilteredResult,
        Kind,
        LatencyResult,
        SearchSetting,
        SystemResult,
    )


@dataclass(frozen=True)
class SettingRow:
    """One setting, asked in one mode by one kind of query."""

    curve: Curve
    setting: SearchSetting
    kind: Kind
    mode: LoadMode
    recall: dict[int, Interval]
    latency: LatencyResult
    on_front: bool
    """No other setting is better in both recall at the target's k and queries per second."""


@dataclass(frozen=True)
class FilteredRow:
    """One setting under one filter."""

    curve: Curve
    setting: SearchSetting
    search: FilteredResult


@dataclass(frozen=True)
class SkippedRow:
    """One system that was not measured."""

    run: str
    system: SystemResult


def settings(runs: Sequence[Run]) -> Iterator[SettingRow]:
    """Return a row for all that was measured: text queries first, then by mode and system."""
    lines = curves.curves(runs)
    for kind in KINDS:
        for mode in curves.modes(runs):
            best = _on_front(runs, lines, kind, mode)
            for curve in lines:
                for setting in curve.system.settings:
                    recall = [r.recall_at for r in setting.recall if r.kind == kind]
                    latency = curves.latency(setting, kind, mode)
                    if recall and latency:
                        mark = id(setting) in best
                        yield SettingRow(curve, setting, kind, mode, recall[0], latency, mark)


def _on_front(runs: Sequence[Run], lines: Sequence[Curve], kind: Kind, mode: LoadMode) -> set[int]:
    points = [p for c in lines for p in curves.points(c, kind, runs[c.run].target.k, mode)]
    return {id(point.setting) for front in curves.fronts(points) for point in front}


def builds(runs: Sequence[Run]) -> list[Curve]:
    """Return the systems of which a build is known, a row each."""
    return [curve for curve in curves.curves(runs) if curve.system.build]


def filtered(runs: Sequence[Run]) -> list[FilteredRow]:
    """Return a row for each filtered search, the strictest filter first."""
    rows = [
        FilteredRow(curve, setting, search)
        for curve in curves.curves(runs)
        for setting in curve.system.settings
        for search in setting.filtered
    ]
    return sorted(rows, key=lambda r: (KINDS.index(r.search.kind), r.search.selectivity))


def skipped(runs: Sequence[Run]) -> list[SkippedRow]:
    """Return a row for each system that was not measured."""
    return [
        SkippedRow(run.label, system)
        for run in runs
        for system in run.report.systems
        if system.skipped
    ]
