"""The frame shared by plots of the local page."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from clipvec.web import page, svg

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (4.6, 2.7)
"""Inches."""


@contextmanager
def canvas() -> Iterator[tuple[Figure, Axes]]:
    """Yield a figure in the page's style, and its axes.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    with svg.drawing():
        from matplotlib.figure import Figure

        figure = Figure(figsize=_SIZE, layout="constrained")
        yield figure, figure.subplots()


def frame(
    title: str, plot: Markup, legend: Sequence[tuple[str, str]] = (), caption: str = ""
) -> Markup:
    """Return a ``<figure>``.

    Args:
        title: shown above the plot.
        plot: an ``<svg>`` element.
        legend: name and CSS colour variable of each line.
        caption: shown below the plot.
    """
    return page.fragment(
        "figure.html", __package__, title=title, plot=plot, legend=legend, caption=caption
    )
