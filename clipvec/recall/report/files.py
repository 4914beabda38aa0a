"""The folder of a report: which files it has, and how they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.recall.report import curves, markdown, page, plots
from clipvec.recall.results import DATA, Report
from clipvec.web import panels, report_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from clipvec.recall.report.compare import Comparison


def write(reports: Sequence[Report], folder: Path) -> Path:
    """Write a report of one run, or of several in one plot, and return its page.

    The folder gets ``report.html``, ``report.md`` and ``figures/``; that of one run also its data,
    ``report.json`` with ``report.schema.json``. The same data gives the same bytes.

    Raises:
        ConfigError: the folder cannot be written, or matplotlib is not installed.
    """
    runs, files = curves.label(reports), paths.ReportPaths(folder)
    with report_files.writing(folder):
        # The data first: whatever fails after can be drawn again from it.
        if len(reports) == 1:
            DATA.write(reports[0], files)
        chapters = list(plots.chapters(runs))
        for chapter in chapters:
            for plot in chapter.plots:
                panels.save(plot, folder)
        report_files.write_text(files.markdown, markdown.report(runs, chapters))
        report_files.write_text(files.page, page.html(runs, chapters))
    return files.page


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write ``comparison.html`` and ``comparison.md``, and return the page.

    Raises:
        ConfigError: the folder cannot be written, or matplotlib is not installed.
    """
    chapters, files = list(plots.chapters(comparison.runs)), paths.ReportPaths(folder)
    with report_files.writing(folder):
        report_files.write_text(files.comparison_markdown, markdown.comparison(comparison))
        report_files.write_text(
            files.comparison_page, page.html(comparison.runs, chapters, comparison)
        )
    return files.comparison_page
