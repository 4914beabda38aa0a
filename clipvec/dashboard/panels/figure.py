"""The frame shared by plots of the local page."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from clipvec.web import page, svg

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE = (4.6, 2.7)
"""Inches."""
_ABOVE, _BELOW, _RIGHT, _LEFT, _CHARACTER = 0.1, 0.48, 0.3, 0.4, 0.08
"""Inches around the axes; those to the left without the characters of their labels."""


@contextmanager
def canvas() -> Iterator[tuple[Figure, Axes]]:
    """Yield a figure in the page's style, and its axes.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    with svg.drawing():
        from matplotlib.figure import Figure

        figure = Figure(figsize=_SIZE)
        yield figure, figure.subplots()


def inline(figure: Figure, axes: Axes, name: str, alt: str, tips: Mapping[str, str]) -> Markup:
    """Return a figure as an ``<svg>`` element with room for the labels of its axes.

    Matplotlib's own layouts draw every figure twice. Arguments as of `clipvec.web.svg.inline`.
    """
    axis = axes.yaxis
    labels = axis.get_major_formatter().format_ticks(axis.get_majorticklocs().tolist())
    width, height = _SIZE
    left = _LEFT + _CHARACTER * max(map(len, labels), default=0)
    figure.subplots_adjust(left / width, _BELOW / height, 1 - _RIGHT / width, 1 - _ABOVE / height)
    return svg.inline(figure, name, alt, tips)


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


def numbers(title: str, values: Mapping[str, str]) -> Markup:
    """Return a ``<figure>`` of numbers by their names, where there is no more to plot."""
    return page.fragment("numbers.html", __package__, title=title, values=values)
