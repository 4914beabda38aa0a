"""Axes for recall and for counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.web import format

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

_RECALL_TICKS = (1, 0.9, 0.5, 0.99, 0.95, 0.8, 0.999, 0, 0.7, 0.2, 0.98, 0.97, 0.6, 0.995, 0.4)
"""Possible ticks of the recall axis, in order of preference."""


def recall_scale(axes: Axes, axis: str, lows: Sequence[float]) -> None:
    """Stretch a recall axis near 1, where indexes differ: by the cube root of 1 - recall."""
    low = max(0.0, min(lows, default=0.9) - 0.02)

    def place(value: Any) -> Any:
        return 1 - np.cbrt(1 - np.asarray(value))

    def value(place: Any) -> Any:
        return 1 - (1 - np.asarray(place)) ** 3

    span = 1 - float(place(low))
    getattr(axes, f"set_{axis}scale")("function", functions=(place, value))
    # Space beyond 1 for the markers of exact search.
    getattr(axes, f"set_{axis}lim")(low, float(value(1 + 0.03 * span)))
    ticks: list[float] = []
    for tick in _RECALL_TICKS:
        apart = [abs(float(place(tick) - place(other))) for other in ticks]
        if tick >= low and min(apart, default=span) > 0.085 * span:
            ticks.append(tick)
    ticks.sort()
    getattr(axes, f"set_{axis}ticks")(ticks, [f"{tick:g}" for tick in ticks], minor=False)


def count_scale(
    axes: Axes, axis: str, values: Sequence[float], write: Callable[[float], str] = format.tick
) -> None:
    """Label a logarithmic axis with plain numbers, more densely if it spans few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    low, high = min(values), max(values)
    decades = np.log10(high / low)
    getattr(axes, f"set_{axis}lim")(low / 1.35, high * 1.35)
    chosen = getattr(axes, f"{axis}axis")
    subs = (1.0,) if decades > 2.5 else (1.0, 2.0, 5.0)
    chosen.set_major_locator(LogLocator(subs=subs, numticks=20))
    chosen.set_major_formatter(FuncFormatter(lambda value, _: write(value)))
    chosen.set_minor_locator(NullLocator())
