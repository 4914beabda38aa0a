"""What of a report goes into a plot: curves, their points, the Pareto front, what to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec.web import format

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clipvec.recall.results import (
        Choice,
        Contestant,
        Filtered,
        Interval,
        Kind,
        Mode,
        Report,
        Setting,
        Speed,
    )

KINDS: tuple[Kind, ...] = ("text", "image")
"""Text queries first: they are the hard case."""
_MODES = ("single", "batch", "clients")


@dataclass(frozen=True)
class Way:
    """A way of asking."""

    mode: Mode
    width: int
    """Queries of a batch, or concurrent clients."""

    def __str__(self) -> str:
        if self.mode == "single":
            return "one at a time"
        return f"in batches of {self.width}" if self.mode == "batch" else f"by {self.width} clients"

    @property
    def slug(self) -> str:
        """The way as part of a file name."""
        return self.mode if self.mode == "single" else f"{self.mode}-{self.width}"


SINGLE = Way("single", 1)


@dataclass(frozen=True)
class Goal:
    """The recall that an index has to reach to be of use."""

    recall: float
    k: int


@dataclass(frozen=True)
class Run:
    """One report among those that are shown together."""

    label: str
    """What tells it from the others; empty when it is alone."""
    report: Report

    @property
    def goal(self) -> Goal:
        """The target of the advice; 0.95 at 10 where none was asked for."""
        for advice in self.report.advice:
            return Goal(advice.target_recall, advice.k)
        return Goal(0.95, 10)


@dataclass(frozen=True)
class Curve:
    """One contestant of one run."""

    number: int
    look: int
    """Colour: the same for the same contestant of every run."""
    run: int
    name: str
    contestant: Contestant


@dataclass(frozen=True)
class Point:
    """One setting of a curve, asked in one way by one kind of query."""

    curve: Curve
    setting: Setting
    recall: Interval
    speed: Speed


@dataclass(frozen=True)
class Sized:
    """A figure of one curve, by the size of its store."""

    curve: Curve
    rows: int
    value: float
    good: bool
    """Whether the setting meets the goal."""
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
    """Return a curve for each contestant that was measured."""
    looks: dict[str, int] = {}
    found: list[Curve] = []
    for number, run in enumerate(runs):
        for contestant in run.report.contestants:
            if not contestant.refused:
                look = looks.setdefault(contestant.name, len(looks))
                name = f"{contestant.name} · {run.label}" if run.label else contestant.name
                found.append(Curve(len(found), look, number, name, contestant))
    return found


def ranks(runs: Sequence[Run]) -> list[int]:
    """Return every k at which recall was measured."""
    return sorted({k for s in _settings(runs) for quality in s.quality for k in quality.recall})


def ways(runs: Sequence[Run]) -> list[Way]:
    """Return every way of asking, single queries first."""
    found = {Way(speed.mode, speed.width) for s in _settings(runs) for speed in s.speed}
    return sorted(found, key=lambda way: (_MODES.index(way.mode), way.width))


def _settings(runs: Sequence[Run]) -> Iterable[Setting]:
    return (s for run in runs for c in run.report.contestants for s in c.settings)


def recall(setting: Setting, kind: Kind, k: int) -> Interval | None:
    """Return recall@k of a kind of query, or None where it was not measured."""
    return next((q.recall[k] for q in setting.quality if q.kind == kind and k in q.recall), None)


def speed(setting: Setting, kind: Kind, way: Way) -> Speed | None:
    """Return the speed of a kind of query, or None where it was not measured."""
    return next((s for s in setting.speed if s.kind == kind and Way(s.mode, s.width) == way), None)


def gain(run: Run, choice: Choice, kind: Kind) -> float | None:
    """Return how many times as fast a choice is as exact search, where that was measured."""
    exact = [c for c in run.report.contestants if c.factory == "Flat" and c.settings]
    found = speed(exact[0].settings[0], kind, SINGLE) if exact else None
    return choice.qps / found.qps if found else None


def points(curve: Curve, kind: Kind, k: int, way: Way) -> list[Point]:
    """Return the points of a curve, lowest recall first."""
    found = []
    for setting in curve.contestant.settings:
        how_well, how_fast = recall(setting, kind, k), speed(setting, kind, way)
        if how_well and how_fast:
            found.append(Point(curve, setting, how_well, how_fast))
    return sorted(found, key=lambda point: (point.recall.value, -point.speed.qps))


def front(candidates: Iterable[Point]) -> list[Point]:
    """Return the points that no other point beats in recall and speed at once, fastest first."""
    best: list[Point] = []
    for point in sorted(candidates, key=lambda p: (-p.speed.qps, -p.recall.value)):
        if not best or point.recall.value > best[-1].recall.value:
            best.append(point)
    return best


def fronts(found: Iterable[Point]) -> list[list[Point]]:
    """Return the front of each run: points of different stores do not beat each other."""
    by_run: dict[int, list[Point]] = {}
    for point in found:
        by_run.setdefault(point.curve.run, []).append(point)
    return [front(group) for group in by_run.values()]


def shown(curve: Curve, kind: Kind, goal: Goal, way: Way) -> Point | None:
    """Return the fastest point that meets the goal, or that of the best recall."""
    found = points(curve, kind, goal.k, way)
    enough = [point for point in found if point.recall.value >= goal.recall]
    if enough:
        return max(enough, key=lambda point: point.speed.qps)
    return found[-1] if found else None


def filtered(
    curve: Curve, kind: Kind, goal: Goal, way: Way
) -> tuple[Setting, list[Filtered]] | None:
    """Return the setting to show and its filtered searches, the strictest filter first."""
    with_filters = [s for s in curve.contestant.settings if any(f.kind == kind for f in s.filtered)]
    if not with_filters:
        return None
    point = shown(curve, kind, goal, way)
    setting = point.setting if point and point.setting in with_filters else with_filters[-1]
    searches = [f for f in setting.filtered if f.kind == kind]
    k = goal.k if any(f.k == goal.k for f in searches) else searches[0].k
    return setting, sorted((f for f in searches if f.k == k), key=lambda f: f.selectivity)
