"""The folder of a report: which files it has, and how they are written and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.data import open_regular
from clipvec.errors import ConfigError
from clipvec.evaluate import results
from clipvec.evaluate.report import plots, sentences
from clipvec.evaluate.results import RECALL_AT, Evaluation
from clipvec.files import from_json
from clipvec.web import jpeg_url, markdown, page, palette, panels, report_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PACKAGE = "clipvec.evaluate.report"
_MEND = "evaluate again with clipvec evaluate"


def read(place: Path) -> Evaluation:
    """Return the evaluation of a ``report.json``, or of the folder that it is in.

    Raises:
        ConfigError: there is none, or it holds something else.
        SchemaError: another version of clipvec wrote it.
    """
    file = paths.ReportPaths(place).data if place.is_dir() else place
    try:
        with open_regular(file) as stream:
            values = from_json(stream.read(), results.SCHEMA, file, _MEND)
    except OSError as error:
        raise ConfigError(
            f"no report at {place}: {error.strerror}; give a folder that clipvec evaluate wrote"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{file} is not an evaluation: {error}") from error
    return Evaluation.from_json(values, str(file))


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
        report_files.write_json(files.data, {"$schema": files.schema.name, **report.to_json()})
        report_files.write_json(files.schema, results.schema())
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
