"""Numbers and findings in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.errors import one_line
from clipvec.web import number, percent, share

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clipvec.recall.report.curves import Curve, Point
    from clipvec.recall.results import Advice, Build, Choice, Contestant, Filtered, Interval, Speed

FILTERS = (
    "advice",
    "bytes_a_vector",
    "change",
    "fast",
    "index",
    "measured",
    "parameters",
    "span",
)
"""The functions that templates use."""


def measured(interval: Interval) -> str:
    """Return a recall with its interval in brackets."""
    return f"{share(interval.value)} ({span(interval)})"


def fast(found: Choice | Speed | Filtered) -> str:
    """Return the queries a second of the slowest and of the fastest round."""
    return f"{number(found.qps_low)}\N{EN DASH}{number(found.qps_high)}"


def span(interval: Interval) -> str:
    """Return the ends of an interval."""
    return f"{share(interval.low)}\N{EN DASH}{share(interval.high)}"


def bytes_a_vector(build: Build) -> float | None:
    """Return the disk space of an index by vector; None where it holds none."""
    return build.disk_bytes / build.rows if build.rows else None


def change(value: float) -> str:
    """Return a change of recall with its sign: ``+0.012``."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def parameters(values: Mapping[str, float]) -> str:
    """Return search parameters: ``nprobe=8, k_factor=4``."""
    return _assignments(values) or "as built"


def index(contestant: Contestant) -> str:
    """Return which index a contestant is: ``HNSW32, efConstruction=100``."""
    return ", ".join(filter(None, (contestant.factory, _assignments(contestant.build_parameters))))


def _assignments(values: Mapping[str, float]) -> str:
    return ", ".join(f"{one_line(name)}={value:g}" for name, value in values.items())


def advised(found: Advice) -> str:
    """Return an advice as a line, for the terminal."""
    who = f"{found.kind} queries" + (", Chroma alone" if found.among == "chroma" else "")
    choice = found.choice or found.nearest
    if choice is None:
        return f"{who}: {_none(found)}"
    recall = choice.confirmed
    measured = (
        f"{choice.contestant} {_assignments(choice.parameters)}".strip()
        + f" (recall@{found.k} {recall.value:.3f}, {recall.low:.3f} to {recall.high:.3f}, on the "
        f"queries that it was not chosen on; {number(choice.qps)} queries/s, "
        f"{number(choice.qps_low)} to {number(choice.qps_high)} in rounds)"
    )
    if found.choice:
        return f"{who}: {measured}"
    return f"{who}: nothing reaches {_goal(found)}; nearest is {measured}"


def advice(found: Advice) -> list[str]:
    """Return the sentences of an advice, the finding first."""
    if found.choice:
        return [
            f"The cheapest setting that reaches {_goal(found)} on {found.kind} queries.",
            confirmed(found.choice, found.target_recall),
        ]
    if not found.nearest:
        said = _none(found)
        return [f"{said[0].upper()}{said[1:]}."]
    return [
        f"Nothing that was measured reaches {_goal(found)} on {found.kind} queries.",
        "This comes nearest. Build with more links or finer codes, search wider, or lower "
        "target_recall.",
    ]


def _goal(found: Advice) -> str:
    return f"recall@{found.k} of {found.target_recall:g}"


def _none(found: Advice) -> str:
    """Say why there is neither a choice nor what comes nearest."""
    if not found.settings:
        return f"no recall@{found.k} was measured with {found.kind} queries"
    return f"one {found.kind} query is too few to choose a setting and to confirm it on another"


def confirmed(choice: Choice, target: float) -> str:
    """Say what the queries say that the choice was not made on."""
    said = (
        f"Chosen on one half of the queries, where it reached {share(choice.chosen.value)}, so that"
        f" {span(choice.chosen)} was to be expected of the other half; the recall given here is "
        "that of the other half"
    )
    if choice.confirmed.high < target:
        return f"{said}, which contradicts the choice: take the next wider setting."
    if choice.confirmed.value < target:
        return f"{said}, below the target by less than the interval can tell."
    if choice.confirmed.low < target:
        return f"{said}. Its interval reaches below the target: the next wider setting is safer."
    return f"{said}. Even the lower end of its interval meets the target."


def named(point: Point) -> str:
    """Return contestant and setting of a point."""
    return f"{one_line(point.curve.name)}, {parameters(point.setting.parameters)}"


def tip(point: Point, k: int) -> str:
    """Return what a point of the Pareto plot says when it is pointed at."""
    how_fast = point.speed
    return "\n".join(
        (
            one_line(point.curve.name),
            parameters(point.setting.parameters),
            f"recall@{k} {share(point.recall.value)} ({span(point.recall)})",
            f"{number(how_fast.qps)} queries/s ({fast(how_fast)})",
            f"p95 {number(how_fast.p95_ms)} ms of {how_fast.calls:,} calls",
        )
    )


def filtered_tip(curve: Curve, search: Filtered) -> str:
    """Return what a point of a plot of filtered search says when it is pointed at."""
    return "\n".join(
        (
            one_line(curve.name),
            f"{one_line(search.filter)}: {percent(search.selectivity)} of the rows",
            f"recall@{search.k} {share(search.recall.value)} ({span(search.recall)}) "
            f"of {search.queries:,} queries",
            f"{number(search.qps)} queries/s ({fast(search)})",
        )
    )
