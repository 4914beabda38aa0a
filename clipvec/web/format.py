"""Numbers, sizes and times formatted for readers."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from clipvec.errors import one_line
from clipvec.progress import duration

_BYTES = ("B", "kB", "MB", "GB", "TB")


def short(text: object, width: int) -> str:
    """Return a text as one line of at most ``width`` characters."""
    line = one_line(text)
    return line if len(line) <= width else f"{line[: width - 1].rstrip()}…"


def number(value: float) -> str:
    """Return a number with at least three significant digits: ``1,234``, ``12.0``, ``0.0123``."""
    if value == 0 or abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:#.3g}"


def tick(value: float) -> str:
    """Return the label of an axis tick: ``1,000``, ``1.5``, ``0.5``."""
    return f"{value:,.0f}" if value >= 1000 or float(value).is_integer() else f"{value:g}"


def compact(count: float) -> str:
    """Return a large round number in short form: ``500k``, ``1M``."""
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if count >= scale:
            return f"{count / scale:g}{unit}"
    return f"{count:g}"


def share(value: float) -> str:
    """Return a recall with three decimals; a value below 1 is never rounded up to 1."""
    if 0.9995 <= value < 1:
        return f"{min(value, 0.9999):.4f}"
    return f"{value:.3f}"


def milliseconds(value: float | None) -> str:
    """Return a latency percentile; a dash if there were too few calls for it."""
    return "\N{EN DASH}" if value is None else number(value)


def percent(value: float) -> str:
    """Return a share as a percentage: ``0.1 %``, ``25 %``."""
    return f"{value * 100:.3g} %"


def size(count: float) -> str:
    """Return a number of bytes in decimal units: ``1.84 GB``."""
    for unit in _BYTES:
        if count < 1000 or unit == _BYTES[-1]:
            break
        count /= 1000
    return f"{number(count)} {unit}"


def moment(created: str) -> str:
    """Return an ISO 8601 time as ``2026-03-04 05:06 UTC``; anything else unchanged."""
    try:
        time = datetime.fromisoformat(created.replace("Z", "+00:00"))
    except ValueError:
        return created
    return f"{time:%Y-%m-%d %H:%M} {time.tzname() or ''}".rstrip()


def brief(value: Any) -> Any:
    """Return a JSON value with long lists replaced by their length (probe vectors, for example)."""
    if isinstance(value, dict):
        return {name: brief(inner) for name, inner in value.items()}
    if isinstance(value, list) and len(value) > 12:
        return f"{len(value)} values"
    return value


def pretty(value: object) -> str:
    """Return a value for a reader: objects as indented JSON, integers with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return (
        value if isinstance(value, str) else json.dumps(brief(value), ensure_ascii=False, indent=2)
    )


def slug(title: str) -> str:
    """Return a heading as an anchor."""
    return title.lower().replace(" ", "-")


def ratio(value: float | None) -> str:
    """Return a factor with a multiplication sign; a dash if it is unknown."""
    if value is None:
        return "\N{EN DASH}"
    return f"\N{MULTIPLICATION SIGN}{value:,.{2 if value < 10 else 0}f}"


FILTERS = {
    function.__name__: function
    for function in (
        duration,
        milliseconds,
        moment,
        number,
        percent,
        pretty,
        ratio,
        share,
        short,
        size,
        slug,
    )
}
"""Filters available in every template."""
