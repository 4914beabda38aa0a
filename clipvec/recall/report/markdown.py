"""A report as Markdown, for a terminal, a pull request or a wiki."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.recall.report import curves, page, sentences, tables
from clipvec.web import markdown as web_markdown
from clipvec.web import page as web_page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jinja2 import Environment

    from clipvec.recall.report.compare import Comparison
    from clipvec.recall.report.curves import Run
    from clipvec.recall.report.plots import Chapter


def report(runs: Sequence[Run], chapters: Sequence[Chapter]) -> str:
    """Return one run or several, with links to the figures."""
    k, modes = page.rank(runs), curves.modes(runs)
    split = []
    for chapter in chapters:
        shown = [p for p in chapter.plots if p.k in (None, k) and p.mode in (None, *modes[:1])]
        others = [plot for plot in chapter.plots if plot not in shown]
        split.append((chapter.title, shown, others))
    return (
        _environment()
        .get_template("report.md")
        .render(
            runs=runs,
            chapters=split,
            ranks=curves.ranks(runs),
            settings=list(tables.settings(runs)),
            builds=tables.builds(runs),
            filtered=tables.filtered(runs),
            skipped=tables.skipped(runs),
        )
    )


def comparison(compared: Comparison) -> str:
    """Return what changed."""
    return _environment().get_template("comparison.md").render(comparison=compared)


def _environment() -> Environment:
    templates = web_page.environment("clipvec.recall.report", finalize=web_markdown.escape)
    templates.filters |= sentences.FILTERS
    templates.filters |= {"fenced": web_markdown.fenced, "figure": _figure, "gain": curves.gain}
    return templates


def _figure(name: str) -> str:
    return paths.ReportPaths.figure(name, "png")
