"""Plots of a report, and when its page shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec.web import line_style, panels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clipvec.recall.report.curves import Curve, LoadMode
    from clipvec.web import LineStyle


@dataclass(frozen=True)
class Plot(panels.Plot):
    """A plot that is shown for one k, or one way of sending queries."""

    k: int | None = None
    mode: LoadMode | None = None


def legend(found: Iterable[Curve]) -> list[tuple[str, LineStyle]]:
    """Return the names and styles of curves."""
    return [(curve.name, line_style(curve.style, curve.run)) for curve in found]
