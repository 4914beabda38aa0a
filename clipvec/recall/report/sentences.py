"""Numbers and findings in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.errors import one_line
from clipvec.index import FEW
from clipvec.recall.results import SERVED
from clipvec.web import number, percent, share

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clipvec.bootstrap import Interval
    from clipvec.recall.report.curves import Curve, Point
    from clipvec.recall.results import (
        Candidate,
        FilteredResult,
        LatencyResult,
        Recommendation,
        Report,
        SystemResult,
    )


def measured(interval: Interval) -> str:
    """Return a recall with its interval in brackets."""
    return f"{share(interval.value)} ({span(interval)})"


def fast(found: Candidate | LatencyResult | FilteredResult) -> str:
    """Return the QPS of the slowest and of the fastest round."""
    return f"{number(found.qps_low)}\N{EN DASH}{number(found.qps_high)}"


def span(interval: Interval) -> str:
    """Return the ends of an interval."""
    return f"{share(interval.low)}\N{EN DASH}{share(interval.high)}"


def change(value: float) -> str:
    """Return a change of recall with its sign: ``+0.012``."""
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")


def parameters(values: Mapping[str, float]) -> str:
    """Return search parameters: ``nprobe=8, k_factor=4``."""
    return _assignments(values) or "as built"


def index(system: SystemResult) -> str:
    """Return which index a system is: ``HNSW32, efConstruction=100``."""
    return ", ".join(filter(None, (system.factory, _assignments(system.build_parameters))))


def _assignments(values: Mapping[str, float]) -> str:
    return ", ".join(f"{one_line(name)}={value:g}" for name, value in values.items())


def queries(found: Recommendation) -> str:
    """Return which queries and systems a recommendation is for."""
    return f"{found.kind} queries" + (", served by clipvec" if found.among == "served" else "")


def taken_over(names: Sequence[str], compared: int) -> str:
    """Say which of the systems that two reports share were measured once for both."""
    which = ", ".join(map(one_line, names))
    what = "All results were" if len(names) == compared else f"The results of {which} were"
    return (
        f"{what} measured once and taken over from one report into the other: what is equal here "
        "shows no second measurement. To measure again, empty work_dir or choose another."
    )


def recommended(found: Recommendation, systems: Sequence[SystemResult]) -> str:
    """Return a recommendation of some systems as a line, for the terminal."""
    choice = found.choice or found.nearest
    if choice is None:
        return f"{queries(found)}: {_none(found)}{_skipped(found, systems)}"
    recall = choice.validation
    what = (
        f"{choice.system} {_assignments(choice.parameters)}".strip()
        + f": recall@{found.k} {recall.value:.3f} (95 % CI {recall.low:.3f}\N{EN DASH}"
        f"{recall.high:.3f}, held-out queries), {number(choice.qps)} QPS ({fast(choice)} across "
        "rounds)"
    )
    if found.choice:
        return f"{queries(found)}: {what}"
    return f"{queries(found)}: nothing reaches {_target(found)}; nearest is {what}"


def recommendation(found: Recommendation) -> list[str]:
    """Return the sentences of a recommendation, the finding first."""
    if found.choice:
        return [
            f"The cheapest setting that reaches {_target(found)} on {found.kind} queries.",
            validated(found.choice, found.target_recall),
        ]
    if not found.nearest:
        reason = _none(found)
        return [f"{reason[0].upper()}{reason[1:]}."]
    return [
        f"Nothing that was measured reaches {_target(found)} on {found.kind} queries.",
        "This comes nearest. Build with more links or finer codes, search wider, or lower "
        "target_recall.",
    ]


def _target(found: Recommendation) -> str:
    return f"recall@{found.k} of {found.target_recall:g}"


def _none(found: Recommendation) -> str:
    """Say why there is neither a choice nor a nearest setting."""
    if not found.num_settings:
        return f"no recall@{found.k} was measured with {found.kind} queries"
    return f"one {found.kind} query cannot both select a setting and validate it"


def _skipped(found: Recommendation, systems: Sequence[SystemResult]) -> str:
    """Return why systems that could be recommended were not measured, as the end of a line."""
    return "".join(
        f"; {one_line(system.name)}: {one_line(system.skipped)}"
        for system in systems
        if system.skipped and (found.among == "all" or system.kind in SERVED)
    )


def validated(choice: Candidate, target: float) -> str:
    """Say how the held-out queries judge a choice."""
    text = (
        f"Selected on one half of the queries, where its recall is {share(choice.selection.value)} "
        f"(95 % prediction interval for the other half {span(choice.selection)}); the recall shown "
        "is that of the other half"
    )
    if choice.validation.high < target:
        return f"{text}, which contradicts the choice: take the next wider setting."
    if choice.validation.value < target:
        return f"{text}, below the target but within the interval."
    if choice.validation.low < target:
        return f"{text}. Its interval reaches below the target: the next wider setting is safer."
    return f"{text}. Even the lower end of its interval meets the target."


def named(point: Point) -> str:
    """Return system and setting of a point."""
    return f"{one_line(point.curve.name)}, {parameters(point.setting.parameters)}"


def served_exactly(report: Report) -> str:
    """Say where clipvec answers better than the collection that was measured; empty: nowhere."""
    few = report.rows * report.dim <= FEW
    if not few or all(system.kind != "chroma" for system in report.systems):
        return ""
    return (
        "Chroma was measured as it is. Search and the service compare all vectors of so small a "
        "collection, where it is in a folder, and miss none."
    )


def served_slower(found: Recommendation, report: Report) -> str:
    """Say why a live Chroma index answers fewer queries than bare FAISS indexes; empty: no need."""
    choice = found.choice or found.nearest
    kinds = {system.name: system.kind for system in report.systems if system.settings}
    if not choice or kinds.get(choice.system) != "chroma" or "faiss" not in kinds.values():
        return ""
    return (
        "Chroma answers fewer queries a second than a FAISS index alone, because each answer of it "
        "has the rows with their captions and attributes, read from its database, and those of "
        "FAISS have row numbers."
    )


def tip(point: Point, k: int) -> str:
    """Return the tooltip of a point of the Pareto plot."""
    latency = point.latency
    return "\n".join(
        (
            one_line(point.curve.name),
            parameters(point.setting.parameters),
            f"recall@{k} {measured(point.recall)}",
            f"{number(latency.qps)} QPS ({fast(latency)})",
            f"p95 {number(latency.p95_ms)} ms of {latency.calls:,} calls",
        )
    )


def filtered_tip(curve: Curve, search: FilteredResult) -> str:
    """Return the tooltip of a point of a plot of filtered search."""
    return "\n".join(
        (
            one_line(curve.name),
            f"{one_line(search.filter)}: {percent(search.selectivity)} of the rows",
            f"recall@{search.k} {measured(search.recall)} of {search.queries:,} queries",
            f"{number(search.qps)} QPS ({fast(search)})",
        )
    )


_IN_TEMPLATES = (
    *(change, fast, index, measured, parameters, queries, recommendation, served_exactly),
    *(served_slower, span, taken_over),
)
FILTERS = {words.__name__: words for words in _IN_TEMPLATES}
"""What templates use."""
