"""What of a report goes into a plot: curves, their points, the Pareto front, what to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec.web import format

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clipvec.bootstrap import Interval
    from clipvec.recall.results import (
        Candidate,
        FilteredResult,
        Kind,
        LatencyResult,
        Report,
        SearchSetting,
        SystemResult,
    )

KINDS: tuple[Kind, ...] = ("text", "image")
"""Text queries first: they are the hard case."""


@dataclass(frozen=True)
class LoadMode:
    """How queries are sent."""

    batch_size: int
    concurrency: int

    def __str__(self) -> str:
        if self.concurrency > 1:
            return f"by {self.concurrency} clients"
        return f"in batches of {self.batch_size}" if self.batch_size > 1 else "one at a time"

    @property
    def slug(self) -> str:
        """The mode as part of a file name."""
        if self.concurrency > 1:
            return f"concurrent-{self.concurrency}"
        return f"batch-{self.batch_size}" if self.batch_size > 1 else "single"


SINGLE = LoadMode(1, 1)


@dataclass(frozen=True)
class Target:
    """The recall that a system has to reach to be of use."""

    recall: float
    k: int


@dataclass(frozen=True)
class Run:
    """One report among those that are shown together."""

    label: str
    """What tells it from the others; empty when it is alone."""
    report: Report

    @property
    def target(self) -> Target:
        """The target of the recommendations; 0.95 at 10 where there are none."""
        for found in self.report.recommendations:
            return Target(found.target_recall, found.k)
        return Target(0.95, 10)


@dataclass(frozen=True)
class Curve:
    """One system of one run."""

    number: int
    style: int
    """Number of its `clipvec.web.palette.LineStyle`: the same for a system in every run."""
    run: int
    name: str
    system: SystemResult


@dataclass(frozen=True)
class Point:
    """One setting of a curve, asked in one mode by one kind of query."""

    curve: Curve
    setting: SearchSetting
    recall: Interval
    latency: LatencyResult


@dataclass(frozen=True)
class Sized:
    """A figure of one curve, by the size of its store."""

    curve: Curve
    rows: int
    value: float
    good: bool
    """Whether the setting meets the target."""
    said: str


def label(reports: Sequence[Report]) -> list[Run]:
    """Return the reports, each with what tells it from the others."""
    if len(reports) == 1:
        return [Run("", reports[0])]
    facts = [
        (r.dataset, r.model, f"{r.rows:,} rows", f"{r.dim} dimensions", format.moment(r.created))
        for r in reports
    ]
    told = [place for place, values in enumerate(zip(*facts, strict=True)) if len(set(values)) > 1]
    # The time tells runs apart only where nothing else does.
    wanted = [place for place in told if place < 4] or told
    names = [", ".join(values[place] for place in wanted) for values in facts]
    names = [
        ", ".join(filter(None, (name, f"run {n}"))) if names.count(name) > 1 else name
        for n, name in enumerate(names, 1)
    ]
    return [Run(*pair) for pair in zip(names, reports, strict=True)]


def curves(runs: Sequence[Run]) -> list[Curve]:
    """Return a curve for each system that was measured."""
    styles: dict[str, int] = {}
    found: list[Curve] = []
    for number, run in enumerate(runs):
        for system in run.report.systems:
            if not system.skipped:
                style = styles.setdefault(system.name, len(styles))
                name = f"{system.name} · {run.label}" if run.label else system.name
                found.append(Curve(len(found), style, number, name, system))
    return found


def ranks(runs: Sequence[Run]) -> list[int]:
    """Return every k at which recall was measured."""
    return sorted({k for s in _settings(runs) for recall in s.recall for k in recall.recall_at})


def modes(runs: Sequence[Run]) -> list[LoadMode]:
    """Return every mode of asking, single queries first."""
    found = {mode_of(latency) for s in _settings(runs) for latency in s.latency}
    return sorted(found, key=lambda mode: (mode.concurrency, mode.batch_size))


def mode_of(latency: LatencyResult) -> LoadMode:
    """Return how the queries of a result were sent."""
    return LoadMode(latency.batch_size, latency.concurrency)


def _settings(runs: Sequence[Run]) -> Iterable[SearchSetting]:
    return (s for run in runs for c in run.report.systems for s in c.settings)


def recall(setting: SearchSetting, kind: Kind, k: int) -> Interval | None:
    """Return recall@k of a kind of query, or None where it was not measured."""
    found = (r.recall_at[k] for r in setting.recall if r.kind == kind and k in r.recall_at)
    return next(found, None)


def latency(setting: SearchSetting, kind: Kind, mode: LoadMode) -> LatencyResult | None:
    """Return QPS and latency of a kind of query, or None where they were not measured."""
    return next((s for s in setting.latency if s.kind == kind and mode_of(s) == mode), None)


def gain(run: Run, choice: Candidate, kind: Kind) -> float | None:
    """Return how many times as fast a choice is as exact search, where that was measured."""
    exact = [c for c in run.report.systems if c.factory == "Flat" and c.settings]
    found = latency(exact[0].settings[0], kind, SINGLE) if exact else None
    return choice.qps / found.qps if found else None


def points(curve: Curve, kind: Kind, k: int, mode: LoadMode) -> list[Point]:
    """Return the points of a curve, lowest recall first."""
    found = []
    for setting in curve.system.settings:
        right, fast = recall(setting, kind, k), latency(setting, kind, mode)
        if right and fast:
            found.append(Point(curve, setting, right, fast))
    return sorted(found, key=lambda point: (point.recall.value, -point.latency.qps))


def front(candidates: Iterable[Point]) -> list[Point]:
    """Return the points that no other point beats in recall and speed at once, fastest first."""
    best: list[Point] = []
    for point in sorted(candidates, key=lambda p: (-p.latency.qps, -p.recall.value)):
        if not best or point.recall.value > best[-1].recall.value:
            best.append(point)
    return best


def fronts(found: Iterable[Point]) -> list[list[Point]]:
    """Return the front of each run: points of different stores do not beat each other."""
    by_run: dict[int, list[Point]] = {}
    for point in found:
        by_run.setdefault(point.curve.run, []).append(point)
    return [front(group) for group in by_run.values()]


def shown(curve: Curve, kind: Kind, target: Target, mode: LoadMode) -> Point | None:
    """Return the fastest point that meets the target, or that of the best recall."""
    found = points(curve, kind, target.k, mode)
    enough = [point for point in found if point.recall.value >= target.recall]
    if enough:
        return max(enough, key=lambda point: point.latency.qps)
    return found[-1] if found else None


def filtered(
    curve: Curve, kind: Kind, target: Target, mode: LoadMode
) -> tuple[SearchSetting, list[FilteredResult]] | None:
    """Return the setting to show and its filtered searches, the strictest filter first."""
    with_filters = [s for s in curve.system.settings if any(f.kind == kind for f in s.filtered)]
    if not with_filters:
        return None
    point = shown(curve, kind, target, mode)
    setting = point.setting if point and point.setting in with_filters else with_filters[-1]
    searches = [f for f in setting.filtered if f.kind == kind]
    k = target.k if any(f.k == target.k for f in searches) else searches[0].k
    return setting, sorted((f for f in searches if f.k == k), key=lambda f: f.selectivity)
