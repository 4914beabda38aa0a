"""A report as one HTML page that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from clipvec.report import curves, palette, panels, tables, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment

    from clipvec.report.compare import Comparison
    from clipvec.report.curves import Curve, Run
    from clipvec.report.panels import Plot
    from clipvec.report.plots import Chapter


@dataclass(frozen=True)
class Drawing:
    """A plot, drawn for a page."""

    plot: Plot
    panels: list[tuple[str, str]]
    """Title and ``<svg>`` element."""


def html(
    runs: Sequence[Run], chapters: Sequence[Chapter], comparison: Comparison | None = None
) -> str:
    """Return the page of one run or of several, with what changed where two are compared."""
    ranks, ways = curves.ranks(runs), curves.ways(runs)
    script = _asset("page.js")
    return (
        environment()
        .get_template("page.html")
        .render(
            style=_asset("page.css"),
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            variables=palette.variables(),
            runs=runs,
            chapters=[(chapter.title, [_draw(p) for p in chapter.plots]) for chapter in chapters],
            curves=curves.curves(runs),
            ranks=ranks,
            ways=ways,
            rank=rank(runs),
            way=ways[0] if ways else None,
            settings=list(tables.settings(runs)),
            builds=tables.builds(runs),
            filtered=tables.filtered(runs),
            refused=tables.refused(runs),
            comparison=comparison,
        )
    )


def rank(runs: Sequence[Run]) -> int | None:
    """Return the k to show first: that of the goal, where recall was measured at it."""
    ranks = curves.ranks(runs)
    wanted = runs[0].goal.k
    return wanted if wanted in ranks else next(iter(ranks), None)


def environment() -> Environment:
    """Return the templates of pages; whatever they are given is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("clipvec.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {name: getattr(words, name) for name in words.FILTERS}
    templates.filters |= {"gain": curves.gain, "look": _look}
    return templates


def _draw(plot: Plot) -> Drawing:
    from markupsafe import Markup

    titles = [panel.title for panel in plot.panels]
    # Written by ElementTree, which escapes what it is given.
    elements = [Markup(element) for element in panels.inline(plot)]
    return Drawing(plot, list(zip(titles, elements, strict=True)))


def _asset(name: str) -> str:
    from markupsafe import Markup

    text = (resources.files("clipvec.report") / "templates" / name).read_text(encoding="utf-8")
    return Markup(text)


def _look(curve: Curve) -> dict[str, str]:
    found = palette.look(curve.look, curve.run)
    dash = " ".join(f"{length / 5:g}" for length in found.dash[1] or ())
    return {"colour": found.variable, "path": palette.marker_path(found.marker), "dash": dash}
