"""Colours and markers, for light pages and paper, and for dark pages.

Figures are drawn in the light colours. Within a page, `svg.inline` replaces each colour by a CSS
variable, so that the page chooses.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

GROUND = {
    "ink": ("#1b2330", "#e8ecf2"),
    "muted": ("#5a6576", "#9fabbb"),
    "grid": ("#e2e6ec", "#2c343f"),
    "panel": ("#ffffff", "#151a21"),
    "target": ("#8a5a00", "#f0c052"),
}
"""Colours of everything but the data: (light, dark)."""
_CURVES = (
    ("#0b63b8", "#6ab4ff"),
    ("#c2410c", "#ff9668"),
    ("#15803d", "#5fd693"),
    ("#7e3fb8", "#c79bff"),
    ("#9a6a00", "#e9bd45"),
    ("#be2a77", "#ff8ec6"),
    ("#0a7a86", "#4fd0dc"),
    ("#7a4a2c", "#d8a882"),
    ("#4f5d6e", "#abb8c6"),
    ("#5a7a12", "#b5d455"),
)
"""Each has a contrast of at least 4.5 on its background, and its own marker."""
_MARKERS = "os^DvPX*ph"
_STEP = 3
"""Markers to advance from one run to the next; coprime to their number."""
_DASHES = ((0, None), (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))


@dataclass(frozen=True)
class LineStyle:
    """How a curve is drawn."""

    variable: str
    """CSS variable of the colour, without the leading ``--``."""
    colour: str
    marker: str
    dash: Any
    """matplotlib's line style: an offset, and the lengths of dashes and gaps."""


def line_style(number: int, run: int = 0) -> LineStyle:
    """Return the style of a system in one run of several.

    The colour is the same in every run; marker and dashes differ, since a system with a single
    setting is drawn as a marker only.
    """
    place = number % len(_CURVES)
    marker = _MARKERS[(number + number // len(_CURVES) + _STEP * run) % len(_MARKERS)]
    return LineStyle(f"curve-{place}", _CURVES[place][0], marker, _DASHES[run % len(_DASHES)])


def variables() -> dict[str, tuple[str, str]]:
    """Return every CSS variable with its light and dark colour."""
    return GROUND | {f"curve-{place}": pair for place, pair in enumerate(_CURVES)}


@functools.cache
def marker_path(marker: str) -> str:
    """Return a marker as SVG path data within -1 and 1."""
    import numpy as np
    from matplotlib.markers import MarkerStyle

    style = MarkerStyle(marker)
    path = style.get_path().transformed(style.get_transform())
    polygons = [np.asarray(polygon) for polygon in path.to_polygons(closed_only=False)]
    reach = max(abs(polygon).max() for polygon in polygons)
    return " ".join(
        "M" + "L".join(f"{x / reach:.2f},{-y / reach:.2f}" for x, y in polygon) + "Z"
        for polygon in polygons
    )
