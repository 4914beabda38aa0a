"""The folder of a report: which files it has, and how they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.evaluate.report import plots, sentences
from clipvec.evaluate.results import DATA, RECALL_AT, Evaluation
from clipvec.web import jpeg_url, markdown, page, palette, panels, report_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PACKAGE = "clipvec.evaluate.report"


def write(report: Evaluation, folder: Path, thumbnails: Mapping[str, bytes]) -> Path:
    """Write ``report.html``, ``report.md``, ``report.json`` and its schema; return the page.

    Args:
        report: what was found.
        folder: of the report.
        thumbnails: JPEG of images that models disagree about, by their ids.

    Raises:
        ConfigError: the folder cannot be written, or matplotlib is not installed.
    """
    files = paths.ReportPaths(folder)
    with report_files.writing(folder):
        DATA.write(report, files)
        drawn = plots.plots(report)
        for plot in drawn:
            panels.save(plot, folder)
        report_files.write_text(files.markdown, _markdown(report, drawn))
        report_files.write_text(files.page, _html(report, drawn, thumbnails))
    return files.page


def _html(report: Evaluation, drawn: Sequence[panels.Plot], thumbnails: Mapping[str, bytes]) -> str:
    return page.render(
        "page.html",
        page.PageAssets(_PACKAGE, styles=["evaluation.css"]),
        filters={**sentences.FILTERS, "marker_path": palette.marker_path},
        report=report,
        recall_at=RECALL_AT,
        figures={
            plot.name: (
                plot,
                list(zip([each.title for each in plot.panels], panels.inline(plot), strict=True)),
            )
            for plot in drawn
        },
        pictures={id: jpeg_url(jpeg) for id, jpeg in thumbnails.items()},
    )


def _markdown(report: Evaluation, drawn: Sequence[panels.Plot]) -> str:
    templates = page.environment(_PACKAGE, finalize=markdown.escape)
    templates.filters |= sentences.FILTERS
    return templates.get_template("report.md").render(
        report=report,
        recall_at=RECALL_AT,
        figures={plot.name: (plot, paths.ReportPaths.figure(plot.name, "png")) for plot in drawn},
    )
