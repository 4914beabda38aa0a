"""The rows of a report's tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec.recall.report import curves, sentences
from clipvec.recall.report.curves import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.recall.report.curves import Curve, Run, Way
    from clipvec.recall.results import Build, Filtered, Interval, Kind, Setting, Speed


@dataclass(frozen=True)
class SettingRow:
    """One setting, asked in one way by one kind of query."""

    curve: Curve
    setting: Setting
    kind: Kind
    way: Way
    recall: dict[int, Interval]
    speed: Speed
    on_front: bool
    """No other setting is better in both recall at the goal's k and queries per second."""


@dataclass(frozen=True)
class BuildRow:
    """What it took to build one index."""

    curve: Curve
    build: Build


@dataclass(frozen=True)
class FilteredRow:
    """One setting under one filter."""

    curve: Curve
    setting: Setting
    search: Filtered


@dataclass(frozen=True)
class RefusedRow:
    """One contestant that was not measured."""

    run: str
    name: str
    index: str
    reason: str


def settings(runs: Sequence[Run]) -> Iterator[SettingRow]:
    """Return a row for all that was measured: text queries first, then by way and contestant."""
    lines = curves.curves(runs)
    for kind in KINDS:
        for way in curves.ways(runs):
            best = _on_front(runs, lines, kind, way)
            for curve in lines:
                for setting in curve.contestant.settings:
                    recall = [q.recall for q in setting.quality if q.kind == kind]
                    speed = curves.speed(setting, kind, way)
                    if recall and speed:
                        mark = id(setting) in best
                        yield SettingRow(curve, setting, kind, way, recall[0], speed, mark)


def _on_front(runs: Sequence[Run], lines: Sequence[Curve], kind: Kind, way: Way) -> set[int]:
    points = [p for c in lines for p in curves.points(c, kind, runs[c.run].goal.k, way)]
    return {id(point.setting) for front in curves.fronts(points) for point in front}


def builds(runs: Sequence[Run]) -> list[BuildRow]:
    """Return a row for each index."""
    lines = curves.curves(runs)
    return [BuildRow(c, c.contestant.build) for c in lines if c.contestant.build]


def filtered(runs: Sequence[Run]) -> list[FilteredRow]:
    """Return a row for each filtered search, the strictest filter first."""
    rows = [
        FilteredRow(curve, setting, search)
        for curve in curves.curves(runs)
        for setting in curve.contestant.settings
        for search in setting.filtered
    ]
    return sorted(rows, key=lambda r: (KINDS.index(r.search.kind), r.search.selectivity))


def refused(runs: Sequence[Run]) -> list[RefusedRow]:
    """Return a row for each contestant that was not measured."""
    return [
        RefusedRow(run.label, contestant.name, sentences.index(contestant), contestant.refused)
        for run in runs
        for contestant in run.report.contestants
        if contestant.refused
    ]
