"""The plots of a report: quality with its intervals, and quality against speed and cost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from clipvec.errors import one_line
from clipvec.evaluate.report import sentences
from clipvec.web import GROUND, Panel, count_scale, format, line_style, panels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from matplotlib.axes import Axes

    from clipvec.bootstrap import Interval
    from clipvec.evaluate.results import Deployment, Evaluation, ModelResult
    from clipvec.web import Tips

_AT = 10
"""k of the recall that is drawn."""
_MUTED, _HOLLOW, _CHOSEN = (GROUND[name][0] for name in ("muted", "panel", "target"))


class Figure(NamedTuple):
    """One figure of each model."""

    title: str
    values: list[tuple[str, Interval]]
    """Names of models and what they reach."""
    chance: float | None
    """What answers in random order reach; None: not known."""


class Cost(NamedTuple):
    """Something by which deployments differ besides quality."""

    title: str
    of: Callable[[Deployment], float | None]
    write: Callable[[float], str]


COSTS = (
    Cost("Images a second", lambda each: each.images_per_s, format.number),
    Cost("USD a million images", lambda each: each.price, format.number),
    Cost("Queries a second", lambda each: each.qps, format.number),
    Cost("Bytes a row", lambda each: each.bytes_per_row, format.size),
)


def plots(report: Evaluation) -> list[panels.Plot]:
    """Return the plots of a report; what was not measured has none."""
    return [plot for plot in (quality(report), costs(report)) if plot.panels]


def quality(report: Evaluation) -> panels.Plot:
    """Return what each model reaches by captions and by labels."""
    found = list(_figures(report.models))
    drawn = [
        Panel(each.title, _alt_of(each), partial(_draw_figure, each, len(report.models)))
        for each in found
    ]
    caption = (
        "What each model reaches, with 95 % intervals; the dashed line is chance. Models whose "
        "intervals overlap may differ all the same: the comparison by pairs tells."
    )
    height = 0.9 + 0.36 * len(report.models)
    return panels.Plot("quality", caption, height, drawn, [], width=3.3)


def costs(report: Evaluation) -> panels.Plot:
    """Return the quality of deployments against each of their known costs."""
    names = {model.model: number for number, model in enumerate(report.models)}
    known = [each for each in report.deployments if each.expected is not None]
    drawn = []
    for cost in COSTS:
        points = [(each, value) for each in known if (value := cost.of(each))]
        if len(points) > 1:
            draw = partial(_draw_costs, report, points, names, cost)
            drawn.append(Panel(cost.title, _alt_of_costs(report, points, cost), draw))
    caption = (
        f"{report.quality_of.capitalize()} against speed and cost; where an index answers, times "
        "its recall. Filled: on the Pareto front of all figures. A ring marks the one to take."
    )
    legend = [(name, line_style(number)) for name, number in names.items()]
    return panels.Plot("costs", caption, 3.1, drawn, legend, width=3.6)


def _figures(models: Sequence[ModelResult]) -> Iterator[Figure]:
    for at, found in enumerate(models[0].retrieval):
        title = f"{sentences.direction(found.direction)} recall@{_AT}"
        values = [(model.model, model.retrieval[at].recall_at[_AT]) for model in models]
        yield Figure(title, values, found.chance[_AT])
    first = models[0].labels
    for at, method in enumerate(first.methods if first else ()):
        assert first is not None
        title = f"{sentences.method(method.method, first.neighbours)} accuracy"
        accuracies = [
            (model.model, model.labels.methods[at].accuracy) for model in models if model.labels
        ]
        yield Figure(title, accuracies, None)


def _draw_figure(figure: Figure, rows: int, axes: Axes) -> Tips:
    tips = {}
    for row, (name, found) in enumerate(figure.values):
        style, gid = line_style(row), f"model-{row}"
        axes.hlines(row, found.low, found.high, colors=style.colour, linewidth=1.6)
        dot: dict[str, Any] = {"marker": style.marker, "markersize": 4.5, "color": style.colour}
        axes.plot([found.value], [row], gid=gid, **dot)
        tips[gid] = f"{one_line(name)}\n{figure.title} {sentences.measured(found)}"
        place: dict[str, Any] = {"transform": axes.get_yaxis_transform(), "ha": "right"}
        axes.text(0.995, row - 0.24, format.short(name, 40), va="bottom", fontsize=8.5, **place)
    if figure.chance is not None:
        axes.axvline(figure.chance, color=_MUTED, linestyle=(0, (4, 3)), linewidth=1)
    axes.set_xlim(0, 1)
    axes.set_ylim(rows - 0.6, -0.8)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    return tips


def _draw_costs(
    report: Evaluation,
    points: Sequence[tuple[Deployment, float]],
    names: dict[str, int],
    cost: Cost,
    axes: Axes,
) -> Tips:
    tips = {}
    for number, (each, value) in enumerate(points):
        style, gid, height = line_style(names[each.model]), f"deployment-{number}", each.expected
        assert height is not None
        face = style.colour if each.on_front else _HOLLOW
        dot: dict[str, Any] = {"marker": style.marker, "markersize": 6.5, "linestyle": "none"}
        axes.plot([value], [height], color=style.colour, markerfacecolor=face, gid=gid, **dot)
        if report.chosen is not None and each is report.deployments[report.chosen]:
            ring: dict[str, Any] = {
                "markersize": 14,
                "markerfacecolor": "none",
                "markeredgecolor": _CHOSEN,
            }
            axes.plot([value], [height], marker="o", linestyle="none", **ring)
        tips[gid] = (
            f"{one_line(sentences.deployment(each))}\n{report.quality_of} "
            f"{format.share(height)}\n{cost.title}: {cost.write(value)}"
        )
    axes.set_xscale("log")
    count_scale(axes, "x", [value for _, value in points], cost.write)
    axes.set_xlabel(cost.title)
    axes.set_ylabel(report.quality_of)
    return tips


def _alt_of(figure: Figure) -> str:
    said = "; ".join(f"{one_line(name)}: {sentences.measured(v)}" for name, v in figure.values)
    chance = "" if figure.chance is None else f" Chance: {format.share(figure.chance)}."
    return f"Plot of {figure.title}. {said}.{chance}"


def _alt_of_costs(
    report: Evaluation, points: Sequence[tuple[Deployment, float]], cost: Cost
) -> str:
    said = "; ".join(
        f"{one_line(sentences.deployment(each))}: {format.share(each.expected or 0)} at "
        f"{cost.write(value)}{', on the Pareto front' if each.on_front else ''}"
        for each, value in points
    )
    return f"Scatter plot of {report.quality_of} against {cost.title}. {said}."
