"""A report as one HTML page that asks the network for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipvec.recall.report import curves, sentences, tables
from clipvec.web import page, palette, panels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from clipvec.recall.report.compare import Comparison
    from clipvec.recall.report.curves import Curve, Run
    from clipvec.recall.report.panels import Plot
    from clipvec.recall.report.plots import Chapter


@dataclass(frozen=True)
class Drawing:
    """A plot, drawn for a page."""

    plot: Plot
    panels: list[tuple[str, Markup]]
    """Title and ``<svg>`` element."""


def html(
    runs: Sequence[Run], chapters: Sequence[Chapter], comparison: Comparison | None = None
) -> str:
    """Return the page of one run or of several, with what changed where two are compared."""
    ranks, modes = curves.ranks(runs), curves.modes(runs)
    return page.render(
        "page.html",
        page.PageAssets("clipvec.recall.report", scripts=["switches.js"]),
        filters={**sentences.FILTERS, "gain": curves.gain, "line_style": _line_style},
        runs=runs,
        chapters=[(chapter.title, [_draw(p) for p in chapter.plots]) for chapter in chapters],
        curves=curves.curves(runs),
        ranks=ranks,
        modes=modes,
        rank=rank(runs),
        mode=modes[0] if modes else None,
        settings=list(tables.settings(runs)),
        builds=tables.builds(runs),
        filtered=tables.filtered(runs),
        skipped=tables.skipped(runs),
        comparison=comparison,
    )


def rank(runs: Sequence[Run]) -> int | None:
    """Return the k to show first: that of the target, where recall was measured at it."""
    ranks = curves.ranks(runs)
    wanted = runs[0].target.k
    return wanted if wanted in ranks else next(iter(ranks), None)


def _draw(plot: Plot) -> Drawing:
    titles = [panel.title for panel in plot.panels]
    return Drawing(plot, list(zip(titles, panels.inline(plot), strict=True)))


def _line_style(curve: Curve) -> dict[str, str]:
    style = palette.line_style(curve.style, curve.run)
    dash = " ".join(f"{length / 5:g}" for length in style.dash[1] or ())
    return {"colour": style.variable, "path": palette.marker_path(style.marker), "dash": dash}
