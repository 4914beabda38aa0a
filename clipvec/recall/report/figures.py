"""The plots of a report, each drawn on axes that are given."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from clipvec.recall.report import curves, sentences
from clipvec.web import GROUND, count_scale, format, line_style, recall_scale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from clipvec.recall.report.curves import Curve, Point, Sized, Target
    from clipvec.recall.results import FilteredResult
    from clipvec.web import Tips

    Searches = tuple[Curve, Sequence[FilteredResult]]

INK, MUTED, PANEL, TARGET = (GROUND[name][0] for name in ("ink", "muted", "panel", "target"))


def pareto(axes: Axes, found: Sequence[Point], everything: Sequence[Point], k: int) -> Tips:
    """Draw recall against queries per second; what is on a front is filled, the rest hollow.

    Args:
        axes: where to draw.
        found: the points, those of a curve one after the other.
        everything: the points of all panels that are to have the same axes.
        k: of recall@k.
    """
    fronts = curves.fronts(found)
    for front in fronts:
        xs, ys = [p.recall.value for p in front], [p.latency.qps for p in front]
        axes.plot(xs, ys, color=MUTED, alpha=0.25, linewidth=8, solid_capstyle="round", gid="front")
    on_front = {id(point) for front in fronts for point in front}
    tips: Tips = {}
    for _, group in groupby(found, key=lambda point: point.curve.number):
        tips |= _curve(axes, list(group), on_front, k)
    axes.set_yscale("log")
    recall_scale(axes, "x", [p.recall.low for p in everything])
    count_scale(axes, "y", [p.latency.qps for p in everything])
    axes.set_xlabel(f"recall@{k}, with 95 % CI")
    axes.set_ylabel("QPS")
    return tips


def _curve(axes: Axes, found: Sequence[Point], front: set[int], k: int) -> Tips:
    curve = found[0].curve
    style = line_style(curve.style, curve.run)
    xs, ys = [p.recall.value for p in found], [p.latency.qps for p in found]
    lows, highs = [p.recall.low for p in found], [p.recall.high for p in found]
    gid = f"curve-{curve.number}"
    axes.hlines(ys, lows, highs, colors=style.colour, linewidth=1.2, gid=f"{gid}-intervals")
    axes.plot(xs, ys, linewidth=1.3, color=style.colour, linestyle=style.dash, gid=f"{gid}-line")
    tips = {}
    for number, point in enumerate(found):
        face = style.colour if id(point) in front else PANEL
        name = f"{gid}-point-{number}"
        axes.plot(
            [point.recall.value],
            [point.latency.qps],
            linestyle="none",
            marker=style.marker,
            markersize=6.5,
            markerfacecolor=face,
            markeredgecolor=style.colour,
            markeredgewidth=1.2,
            zorder=3,
            gid=name,
        )
        tips[name] = sentences.tip(point, k)
    return tips


def mark_target(axes: Axes, target: Target, chosen: Sequence[Point]) -> None:
    """Mark the target recall, and the points that are recommended."""
    axes.axvline(target.recall, color=TARGET, linestyle=(0, (4, 3)), linewidth=1.2)
    axes.annotate(
        f"target {target.recall:g}",
        (target.recall, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 0),
        textcoords="offset points",
        ha="right",
        va="top",
        color=TARGET,
    )
    for point in chosen:
        xs, ys = [point.recall.value], [point.latency.qps]
        gid = f"curve-{point.curve.number}-recommended"
        ring: dict[str, Any] = {
            "markersize": 14,
            "markerfacecolor": "none",
            "markeredgecolor": TARGET,
        }
        axes.plot(xs, ys, marker="o", linestyle="none", gid=gid, **ring)


def latency(axes: Axes, found: Sequence[Point], everything: Sequence[Point], k: int) -> Tips:
    """Draw p50, p95 and p99 of one setting of each system; arguments as of `pareto`."""
    tips = {}
    for row, point in enumerate(found):
        style, fast = line_style(point.curve.style, point.curve.run), point.latency
        gid = f"curve-{point.curve.number}"
        slowest = fast.p99_ms or fast.p95_ms
        axes.hlines(row, fast.p50_ms, slowest, colors=style.colour, gid=f"{gid}-range")
        for name, value, marker, face in (
            ("p50", fast.p50_ms, "o", style.colour),
            ("p95", fast.p95_ms, "o", PANEL),
            ("p99", fast.p99_ms, "|", style.colour),
        ):
            if value is None:
                continue
            axes.plot(
                [value],
                [row],
                marker=marker,
                markersize=7 if marker == "o" else 10,
                color=style.colour,
                markerfacecolor=face,
                markeredgewidth=1.4,
                gid=f"{gid}-{name}",
            )
            tips[f"{gid}-{name}"] = f"{sentences.named(point)}\n{name} {format.number(value)} ms"
        recall = f"recall@{k} {format.share(point.recall.value)}"
        _row_label(axes, row, sentences.named(point), recall, gid)
    _rows(axes, len(found))
    axes.set_xscale("log")
    speeds = [point.latency for point in everything]
    times = [t for s in speeds for t in (s.p50_ms, s.p99_ms or s.p95_ms)]
    count_scale(axes, "x", times)
    axes.set_xlabel("milliseconds: p50 ●, p95 ○, p99 |")
    return tips


def bars(axes: Axes, found: Sequence[tuple[Curve, float, str]]) -> Tips:
    """Draw a bar for each system, with its value in words."""
    for row, (curve, value, said) in enumerate(found):
        gid = f"curve-{curve.number}"
        style = line_style(curve.style, curve.run)
        axes.barh(row, value, height=0.34, color=style.colour, gid=f"{gid}-bar")
        _row_label(axes, row, curve.name, said, gid, room=40)
    _rows(axes, len(found))
    axes.set_xlim(0, max(value for _, value, _ in found) or 1)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    return {}


def filtered(
    axes: Axes, found: Sequence[Searches], everything: Sequence[Searches], of: str
) -> Tips:
    """Draw recall (``of="recall"``) or queries per second (``"qps"``) by what a filter admits."""
    tips = {}
    for place, (curve, searches) in enumerate(found):
        style, gid = line_style(curve.style, curve.run), f"curve-{curve.number}"
        # Side by side, so that the intervals of one filter do not hide each other.
        aside = 1.06 ** (place - (len(found) - 1) / 2)
        xs = [search.selectivity * aside for search in searches]
        ys = [search.recall.value if of == "recall" else search.qps for search in searches]
        if of == "recall":
            lows, highs = [f.recall.low for f in searches], [f.recall.high for f in searches]
            axes.vlines(xs, lows, highs, colors=style.colour, gid=f"{gid}-intervals")
        axes.plot(xs, ys, color=style.colour, linestyle=style.dash, alpha=0.5, gid=f"{gid}-line")
        for number, (x, y, search) in enumerate(zip(xs, ys, searches, strict=True)):
            name = f"{gid}-point-{number}"
            axes.plot([x], [y], marker=style.marker, color=style.colour, markersize=6, gid=name)
            tips[name] = sentences.filtered_tip(curve, search)
    shown = [search for _, searches in everything for search in searches]
    axes.set_xscale("log")
    count_scale(axes, "x", [search.selectivity for search in shown], format.percent)
    axes.set_xlabel("rows that the filter admits")
    if of == "recall":
        recall_scale(axes, "y", [search.recall.low for search in shown])
        axes.set_ylabel(f"recall@{shown[0].k}")
    else:
        axes.set_yscale("log")
        count_scale(axes, "y", [search.qps for search in shown])
        axes.set_ylabel("QPS")
    return tips


def by_size(
    axes: Axes, found: Sequence[Sequence[Sized]], everything: Sequence[Sized], of: str
) -> Tips:
    """Draw a line for each system over the rows of stores; hollow is what misses the target."""
    tips = {}
    for line in found:
        style = line_style(line[0].curve.style)
        xs, ys = [one.rows for one in line], [one.value for one in line]
        axes.plot(xs, ys, color=style.colour, alpha=0.5)
        for one in line:
            name = f"curve-{one.curve.number}-point"
            axes.plot(
                [one.rows],
                [one.value],
                marker=style.marker,
                markersize=6.5,
                markerfacecolor=style.colour if one.good else PANEL,
                markeredgecolor=style.colour,
                linestyle="none",
                zorder=3,
                gid=name,
            )
            tips[name] = one.said
    axes.set_xscale("log")
    axes.set_yscale("log")
    count_scale(axes, "x", [one.rows for one in everything], format.compact)
    count_scale(axes, "y", [one.value for one in everything])
    axes.set_xlabel("rows of the store")
    axes.set_ylabel(of)
    return tips


def _row_label(axes: Axes, row: int, name: str, value: str, gid: str, room: int = 54) -> None:
    """Write a name above a row at the left and a value at the right, in ``room`` characters."""
    place: dict[str, Any] = {
        "transform": axes.get_yaxis_transform(),
        "va": "bottom",
        "fontsize": 8.5,
    }
    name = format.short(name, room - len(value))
    axes.text(0.005, row - 0.24, name, ha="left", gid=f"{gid}-name", **place)
    axes.text(0.995, row - 0.24, value, ha="right", gid=f"{gid}-value", **place)


def _rows(axes: Axes, count: int) -> None:
    axes.set_ylim(count - 0.6, -0.8)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
