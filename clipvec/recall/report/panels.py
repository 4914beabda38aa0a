"""Axes that belong together, and how they come into a page or a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec.recall.report import figures
from clipvec.web import svg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from markupsafe import Markup
    from matplotlib.axes import Axes

    from clipvec.recall.report.curves import Curve, LoadMode


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    alt: str
    draw: Callable[[Axes], figures.Tips]


@dataclass(frozen=True)
class Plot:
    """Panels that belong together: side by side in a file, apart in a page."""

    name: str
    """Of its files, and unique in a page."""
    caption: str
    height: float
    """Inches."""
    panels: list[Panel]
    legend: list[Curve]
    """Curves to name below it; none where they are named in the panels."""
    width: float = 4.6
    """Inches of a panel."""
    k: int | None = None
    mode: LoadMode | None = None


def inline(plot: Plot) -> list[Markup]:
    """Return an ``<svg>`` element for each panel."""
    from matplotlib.figure import Figure

    drawn = []
    for number, panel in enumerate(plot.panels):
        with svg.drawing():
            figure = Figure(figsize=(plot.width, plot.height), layout="constrained")
            tips = panel.draw(figure.subplots())
            drawn.append(svg.inline(figure, f"{plot.name}-{number}", panel.alt, tips))
    return drawn


def save(plot: Plot, folder: Path) -> None:
    """Write the files of a plot, PNG and SVG."""
    from matplotlib.figure import Figure

    with svg.drawing(fonttype="path"):
        columns = 2 if len(plot.panels) == 4 else len(plot.panels)
        rows = len(plot.panels) // columns
        legend = 0.2 * -(-len(plot.legend) // figures.LEGEND_COLUMNS)
        size = (plot.width * columns, (plot.height + 0.25) * rows + legend)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).flat
        for axes, panel in zip(grid, plot.panels, strict=True):
            panel.draw(axes)
            axes.set_title(panel.title, loc="left")
        if plot.legend:
            figures.legend(figure, plot.legend)
        svg.save(figure, folder, plot.name)
