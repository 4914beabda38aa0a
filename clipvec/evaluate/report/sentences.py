"""Numbers and findings in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.bootstrap import Difference
from clipvec.errors import one_line
from clipvec.evaluate.deployments import same_hardware
from clipvec.web import format, number, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.bootstrap import Interval
    from clipvec.evaluate.results import (
        Agreement,
        Comparison,
        Deployment,
        Direction,
        Evaluation,
        LabelResult,
        MedianRank,
        Method,
        RetrievalResult,
    )

_DIRECTIONS: dict[str, str] = {
    "text_to_image": "caption \N{RIGHTWARDS ARROW} image",
    "image_to_text": "image \N{RIGHTWARDS ARROW} caption",
}
_METHODS: dict[str, str] = {
    "zero_shot": "zero-shot",
    "nearest_neighbours": "{} nearest neighbours",
    "linear_probe": "linear probe",
}
_SHOWN = (None, 1)
"""k of the comparisons that the terminal shows; None: of accuracy."""
_DASH = "\N{EN DASH}"


def measured(found: Interval) -> str:
    """Return a share with its interval in brackets."""
    return f"{share(found.value)} ({span(found)})"


def span(found: Interval) -> str:
    """Return the ends of an interval."""
    return f"{share(found.low)}{_DASH}{share(found.high)}"


def rank(value: float) -> str:
    """Return a rank, with a decimal where it is no whole number."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def median(found: MedianRank) -> str:
    """Return a median rank with its interval in brackets."""
    return f"{rank(found.value)} ({rank(found.low)}{_DASH}{rank(found.high)})"


def direction(which: Direction) -> str:
    """Return what is searched with, and what for."""
    return _DIRECTIONS[which]


def method(which: Method, neighbours: int) -> str:
    """Return how images were classified."""
    return _METHODS[which].format(neighbours)


def lines(report: Evaluation) -> Iterator[str]:
    """Yield a line for each figure, for the terminal: names are those that stores give."""
    return map(one_line, _lines(report))


def _lines(report: Evaluation) -> Iterator[str]:
    for model in report.models:
        yield from (f"{model.model}: {_retrieval(found)}" for found in model.retrieval)
        if model.labels:
            yield f"{model.model}: {_labels(model.labels)}"
    for found in report.comparisons:
        if found.k in _SHOWN:
            pair = f"{found.a}, {found.b}: " if len(report.models) > 2 else ""
            yield f"{pair}{figure(found, report.neighbours)}: {verdict(found)}"
    for agreed in report.agreements:
        yield f"{agreed.a}, {agreed.b}: {agreement(agreed)}"
    if report.limits or len(report.deployments) > 1:
        yield advice(report)


def _retrieval(found: RetrievalResult) -> str:
    recalls = ", ".join(f"recall@{k} {measured(each)}" for k, each in found.recall_at.items())
    return (
        f"{direction(found.direction)}: {recalls}, median rank {median(found.median_rank)} of "
        f"{found.candidates:,}; {found.queries:,} queries, 95 % CI in brackets"
    )


def _labels(found: LabelResult) -> str:
    accuracies = ", ".join(
        f"{method(each.method, found.neighbours)} {measured(each.accuracy)}"
        for each in found.methods
    )
    return (
        f"accuracy of {found.label}: {accuracies}; {found.images:,} images of "
        f"{len(found.classes):,} classes, the largest has {share(found.largest_class)}"
    )


def figure(found: Comparison, neighbours: int) -> str:
    """Return what is compared."""
    if found.k is None:
        return f"{_METHODS[found.figure].format(neighbours)} accuracy"
    return f"{_DIRECTIONS[found.figure]} recall@{found.k}"


def verdict(found: Comparison) -> str:
    """Return which of two models is better, and by how much."""
    gain = found.difference
    if gain.low > 0:
        return f"{found.b} beats {found.a} by {points(gain.value)} points ({between(gain)})"
    if gain.high < 0:
        lost = Difference(-gain.value, -gain.high, -gain.low)
        return f"{found.a} beats {found.b} by {points(lost.value)} points ({between(lost)})"
    asked = "captions" if found.figure == "text_to_image" else "images"
    more = (
        f"{found.more_queries:,} more {asked} would show one of 1 point"
        if found.more_queries
        else "one of 1 point would probably show"
    )
    return f"no difference seen ({between(gain)} points); {more}"


def agreement(found: Agreement) -> str:
    """Return how far two models find the same images."""
    overlaps = ", ".join(f"overlap@{k} {measured(each)}" for k, each in found.overlap_at.items())
    if found.by == "text":
        asked = f"{found.queries:,} of your texts, each among {found.candidates:,} images"
        return f"the same answers: {overlaps}; {asked}"
    return f"the same neighbours: {overlaps}; {found.queries:,} images of {found.candidates + 1:,}"


def deployment(found: Deployment) -> str:
    """Return what a deployment is called."""
    settings = "".join(f" {name}={value:g}" for name, value in found.parameters.items())
    return f"{found.model}, {found.index}{settings}"


def costs(found: Deployment) -> str:
    """Return what is known of the speed and the cost of a deployment."""
    known = [
        (found.images_per_s, number, "{} images/s"),
        (found.price, number, "${} a million images"),
        (found.qps, number, f"{{}} {queries(found)}"),
        (found.bytes_per_row, format.size, "{} a row"),
    ]
    return ", ".join(said.format(write(value)) for value, write, said in known if value)


def queries(found: Deployment) -> str:
    """Return the unit of the queries a second, with what they were where this is not text."""
    return "queries/s" if found.queries != "image" else "queries/s by image"


def machines(report: Evaluation) -> str:
    """Return a sentence on images/s of different hardware; empty: they are of the same."""
    if same_hardware(report.deployments):
        return ""
    return (
        "Images/s are those of different hardware, and so say nothing of the models: the Pareto "
        "front leaves them out."
    )


def limits(report: Evaluation) -> str:
    """Return the limits that were given."""
    return ", ".join(f"{name}={limit:g}" for name, limit in report.limits.items())


def advice(report: Evaluation) -> str:
    """Return which deployment to take, or why none."""
    under = f" under {limits(report)}" if report.limits else ""
    if not report.quality_of:
        return (
            f"nothing to take{under}: without captions or labels no quality is known; name an "
            "attribute with label=..."
        )
    if report.chosen is None:
        missed = "; ".join(_missed(report, name) for name in report.limits)
        return f"none fits{under}: of {len(report.deployments):,}, {missed}"
    best = report.deployments[report.chosen]
    assert best.expected is not None
    return (
        f"take {one_line(deployment(best))}{under}: {report.quality_of} {share(best.expected)}, "
        f"{costs(best)}"
    )


def _missed(report: Evaluation, limit: str) -> str:
    """Return how many miss a limit, and how many of them because they are not known to meet it."""
    figures = {
        "max_price": lambda each: each.price,
        "max_bytes_per_row": lambda each: each.bytes_per_row,
        "min_qps": lambda each: each.qps,
    }
    missing = [each for each in report.deployments if limit in each.misses]
    unknown = [each for each in missing if figures[limit](each) is None]
    said = f"{len(missing):,} miss {limit}"
    return f"{said} ({len(unknown):,} not known{_mend(unknown, limit)})" if unknown else said


def _mend(unknown: Sequence[Deployment], limit: str) -> str:
    """Return what makes the first of some unknown figures known."""
    if limit == "min_qps":
        return f": run clipvec recall model={one_line(unknown[0].model)}"
    if limit == "max_price" and any(each.images_per_s for each in unknown):
        return ": give price_per_hour=..."
    return ""


def points(value: float) -> str:
    """Return a share in points of a hundred."""
    return f"{100 * value:.1f}".replace("-", "\N{MINUS SIGN}")


def between(found: Difference) -> str:
    """Return the ends of an interval in points."""
    return f"{points(found.low)} to {points(found.high)}"


FILTERS = {
    function.__name__: function
    for function in (
        advice,
        between,
        costs,
        deployment,
        direction,
        figure,
        machines,
        measured,
        median,
        method,
        points,
        rank,
        span,
        verdict,
    )
}
"""Filters of the templates."""
