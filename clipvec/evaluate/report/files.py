"""The folder of a report: which files it has, and how they are written and read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.errors import ConfigError
from clipvec.evaluate import results
from clipvec.evaluate.report import sentences
from clipvec.evaluate.results import RECALL_AT, Evaluation
from clipvec.files import from_json
from clipvec.web import markdown, page, report_files

if TYPE_CHECKING:
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
        values = from_json(file.read_bytes(), results.SCHEMA, file, _MEND)
    except OSError as error:
        raise ConfigError(
            f"no report at {place}: {error.strerror}; give a folder that clipvec evaluate wrote"
        ) from error
    except ValueError as error:
        raise ConfigError(f"{file} is not an evaluation: {error}") from error
    return Evaluation.from_json(values, str(file))


def write(report: Evaluation, folder: Path) -> Path:
    """Write ``report.html``, ``report.md``, ``report.json`` and its schema; return the page.

    Raises:
        ConfigError: the folder cannot be written.
    """
    files = paths.ReportPaths(folder)
    with report_files.writing(folder):
        report_files.write_json(files.data, {"$schema": files.schema.name, **report.to_json()})
        report_files.write_json(files.schema, results.schema())
        report_files.write_text(files.markdown, _markdown(report))
        report_files.write_text(files.page, _html(report))
    return files.page


def _html(report: Evaluation) -> str:
    return page.render(
        "page.html",
        page.PageAssets(_PACKAGE),
        filters=sentences.FILTERS,
        report=report,
        recall_at=RECALL_AT,
    )


def _markdown(report: Evaluation) -> str:
    templates = page.environment(_PACKAGE, finalize=markdown.escape)
    templates.filters |= sentences.FILTERS
    return templates.get_template("report.md").render(report=report, recall_at=RECALL_AT)
