"""Axes that belong together, and how they come into a page or a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from clipvec.web import format, svg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clipvec.web.palette import LineStyle

Tips: TypeAlias = dict[str, str]
"""What artists say when they are pointed at, by gid."""
_LEGEND_COLUMNS = 4


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    alt: str
    draw: Callable[[Axes], Tips]


@dataclass(frozen=True)
class Plot:
    """Panels that belong together: side by side in a file, apart in a page."""

    name: str
    """Of its files, and unique in a page."""
    caption: str
    height: float
    """Inches."""
    panels: list[Panel]
    legend: list[tuple[str, LineStyle]]
    """Names below it; none where they are in the panels."""
    width: float = 4.6
    """Inches of a panel."""


def inline(plot: Plot) -> list[Markup]:
    """Return an ``<svg>`` element for each panel."""
    from matplotlib.figure import Figure

    drawn = []
    for number, panel in enumerate(plot.panels):
        with svg.drawing():
            figure = Figure(figsize=(plot.width, plot.height))
            tips = panel.draw(figure.subplots())
            _lay_out(figure)
            drawn.append(svg.inline(figure, f"{plot.name}-{number}", panel.alt, tips))
    return drawn


def save(plot: Plot, folder: Path) -> None:
    """Write the files of a plot, PNG and SVG."""
    from matplotlib.figure import Figure

    with svg.drawing(fonttype="path"):
        columns = 2 if len(plot.panels) == 4 else len(plot.panels)
        rows = len(plot.panels) // columns
        legend = 0.2 * -(-len(plot.legend) // _LEGEND_COLUMNS)
        size = (plot.width * columns, (plot.height + 0.25) * rows + legend)
        figure = Figure(figsize=size)
        grid = figure.subplots(rows, columns, squeeze=False).flat
        for axes, panel in zip(grid, plot.panels, strict=True):
            panel.draw(axes)
            axes.set_title(panel.title, loc="left")
        if plot.legend:
            _legend(figure, plot.legend)
        _lay_out(figure)
        svg.save(figure, folder, plot.name)


def _lay_out(figure: Figure) -> None:
    """Make room for texts, once: a figure that has a layout is drawn twice for each file."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    ConstrainedLayoutEngine().execute(figure)


def _legend(figure: Figure, named: Sequence[tuple[str, LineStyle]]) -> None:
    """Draw names and styles below a figure."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=style.colour, marker=style.marker, linestyle=style.dash)
        for _, style in named
    ]
    names = [format.short(name, 40) for name, _ in named]
    figure.legend(handles, names, loc="outside lower center", ncols=_LEGEND_COLUMNS)
