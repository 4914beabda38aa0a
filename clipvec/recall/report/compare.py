"""What changed from one report to another, where both measured the same thing."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipvec.recall.report import curves, sentences
from clipvec.recall.report.curves import KINDS
from clipvec.web import format

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clipvec.bootstrap import Interval
    from clipvec.recall.report.curves import LoadMode, Run
    from clipvec.recall.results import (
        Build,
        Kind,
        Parameters,
        Report,
        SearchSetting,
        SystemResult,
    )


@dataclass(frozen=True)
class Change:
    """One setting of one system, asked by one kind of query."""

    system: str
    parameters: Parameters
    kind: Kind
    before: Interval
    after: Interval
    qps: dict[LoadMode, float]
    """Queries a second of the second report as a multiple of the first's, by mode of asking."""

    @property
    def recall(self) -> float:
        """Recall that was won, or lost where negative."""
        return self.after.value - self.before.value

    @property
    def apart(self) -> bool:
        """Whether the intervals do not overlap, so that the change is one of the index."""
        return self.after.low > self.before.high or self.after.high < self.before.low


@dataclass(frozen=True)
class BuildChange:
    """Build cost of the second report as a multiple of the first's; None: one has no figure."""

    system: str
    seconds: float | None
    peak: float | None
    disk: float | None


@dataclass(frozen=True)
class Comparison:
    """Two reports, side by side."""

    runs: list[Run]
    """The first and the second."""
    k: int
    changes: list[Change]
    builds: list[BuildChange]
    taken_over: list[str]
    """Systems of which both reports have the result of one measurement."""
    missing: list[str]
    """Systems and settings that only one of the reports has."""
    differences: list[tuple[str, str, str]]
    """What else differs and may explain a change: its name, before, after."""

    @property
    def modes(self) -> list[LoadMode]:
        """Every mode of asking that both reports have."""
        found = {mode: None for change in self.changes for mode in change.qps}
        return [mode for mode in curves.modes(self.runs) if mode in found]

    @property
    def speeds(self) -> dict[LoadMode, float]:
        """Median change of the queries a second, by mode of asking."""
        found = {mode: [c.qps[mode] for c in self.changes if mode in c.qps] for mode in self.modes}
        return {mode: statistics.median(ratios) for mode, ratios in found.items()}

    @property
    def apart(self) -> int:
        """Changes of recall whose intervals do not overlap."""
        return sum(change.apart for change in self.changes)


def compare(before: Report, after: Report) -> Comparison:
    """Return what changed from one report to the other, largest change of recall first.

    Recall is compared at the k of the target of ``before``.
    """
    runs = [
        curves.Run(f"{letter}: {run.label}", run.report)
        for letter, run in zip("AB", curves.label([before, after]), strict=True)
    ]
    k = runs[0].target.k
    old, new = _by_name(before), _by_name(after)
    both = [name for name in old if name in new]
    changes = [change for name in both for change in _changes(old[name], new[name], k)]
    changes.sort(key=lambda change: -abs(change.recall))
    return Comparison(
        runs=runs,
        k=k,
        changes=changes,
        builds=[_build_change(old[name], new[name]) for name in both],
        taken_over=[name for name in both if old[name].measured == new[name].measured != ""],
        missing=[*_missing(old, new, "A"), *_missing(new, old, "B")],
        differences=list(_differences(before, after)),
    )


def _by_name(report: Report) -> dict[str, SystemResult]:
    return {c.name: c for c in report.systems if not c.skipped}


def _key(setting: SearchSetting) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(setting.parameters.items()))


def _changes(old: SystemResult, new: SystemResult, k: int) -> Iterator[Change]:
    later = {_key(setting): setting for setting in new.settings}
    for setting in old.settings:
        other = later.get(_key(setting))
        for kind in KINDS if other else ():
            assert other
            before, after = curves.recall(setting, kind, k), curves.recall(other, kind, k)
            if before and after:
                ratios = _speed_ratios(setting, other, kind)
                yield Change(old.name, setting.parameters, kind, before, after, ratios)


def _speed_ratios(old: SearchSetting, new: SearchSetting, kind: Kind) -> dict[LoadMode, float]:
    found = {}
    for latency in old.latency:
        mode = curves.mode_of(latency)
        other = curves.latency(new, kind, mode)
        if latency.kind == kind and other:
            found[mode] = other.qps / latency.qps
    return found


def _build_change(old: SystemResult, new: SystemResult) -> BuildChange:
    def ratio(value: Callable[[Build], float | None]) -> float | None:
        before, after = (value(c.build) if c.build else None for c in (old, new))
        return after / before if before and after is not None else None

    return BuildChange(
        old.name,
        ratio(lambda build: build.seconds),
        ratio(lambda build: build.peak_bytes),
        ratio(lambda build: build.disk_bytes),
    )


def _missing(
    one: dict[str, SystemResult], other: dict[str, SystemResult], letter: str
) -> list[str]:
    """Say what stands in one report alone."""
    found = []
    for name, system in one.items():
        if name not in other:
            found.append(f"{name} is in {letter} alone")
            continue
        there = {_key(setting) for setting in other[name].settings}
        alone = [s for s in system.settings if _key(s) not in there]
        found += [
            f"{name}, {sentences.parameters(s.parameters)} is in {letter} alone" for s in alone
        ]
    return found


def _differences(before: Report, after: Report) -> Iterator[tuple[str, str, str]]:
    """Name what differs besides the measurements."""
    for name in ("store", "dataset", "model", "rows", "dim", "synthetic"):
        yield from _differing(name, getattr(before, name), getattr(after, name))
    for section in ("hardware", "versions", "seeds", "queries", "query_source", "fingerprint"):
        yield from _differing(section, getattr(before, section), getattr(after, section))
    old, new = _by_name(before), _by_name(after)
    for name in (name for name in old if name in new):
        yield from _differing(
            f"index of {name}", sentences.index(old[name]), sentences.index(new[name])
        )


def _differing(name: str, before: Any, after: Any) -> Iterator[tuple[str, str, str]]:
    if isinstance(before, dict) and isinstance(after, dict):
        for inner in dict.fromkeys([*before, *after]):
            yield from _differing(
                f"{name}: {inner}", before.get(inner, "none"), after.get(inner, "none")
            )
    elif before != after:
        yield name, format.pretty(before), format.pretty(after)
