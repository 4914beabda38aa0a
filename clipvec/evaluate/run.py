"""From a configuration and a store to a report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from clipvec import machine, paths, tracking, version
from clipvec.config import to_dict
from clipvec.data import drawn_lines
from clipvec.errors import ConfigError
from clipvec.evaluate import report
from clipvec.evaluate.agreement import agreements, pictures
from clipvec.evaluate.compare import compare
from clipvec.evaluate.deployments import choose, deployments, known_of, quality
from clipvec.evaluate.labels import check_label, classes_of
from clipvec.evaluate.measure import measure
from clipvec.evaluate.report import sentences
from clipvec.evaluate.results import Evaluation
from clipvec.evaluate.stores import check_same_images, model_names, open_stores
from clipvec.recall import check_packages
from clipvec.store import draw_captions
from clipvec.tracking import RunSpec, artifacts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clipvec.config import EvaluateConfig
    from clipvec.evaluate.deployments import Known
    from clipvec.evaluate.measure import Measured
    from clipvec.store import Rows

_PACKAGES = ("numpy", "torch")
_MOST_QUERIES = 5000
"""Lines of ``text_file`` that are asked; of more, some are drawn."""


@dataclass(frozen=True)
class EvaluateSummary:
    """What an evaluation found."""

    report: Evaluation
    page: Path

    def __str__(self) -> str:
        """Return a line for each figure that was asked for, and where the report is."""
        return "\n".join([*sentences.lines(self.report), f"report: {self.page}"])


def evaluate(config: EvaluateConfig) -> EvaluateSummary:
    """Evaluate the model of a store on its images, and write the report.

    Raises:
        ConfigError: the store has nothing to evaluate by, or is compared with one of other images.
        FingerprintError: the model that loads is not the store's.
        StoreError: the store cannot be read.
    """
    check_packages("evaluate")
    queries = _queries(config)
    stores = open_stores(config)
    if config.label is not None:
        for rows in stores:
            check_label(rows, config.label)
    check_same_images(stores, config.label)
    captions = _captions(config, stores[0])
    named = dict(zip(model_names(stores), stores, strict=True))
    known = known_of(config, named)
    folder = _report_folder(config.report_dir)
    spec = RunSpec("evaluate", f"evaluate {config.collection}", config.store.root, to_dict(config))
    with tracking.start_run(config.tracking, spec) as run:
        for rows in stores:
            used = paths.collection_name(config.dataset.name, rows.store.model["name"])
            fingerprint = rows.store.fingerprint.to_json()
            run.use_artifact(artifacts.store(rows.store.url, used, fingerprint))
        measured = [
            measure(config, rows, called, captions, queries) for called, rows in named.items()
        ]
        found = _evaluation(config, stores[0], measured, known)
        shown = pictures(stores, found.agreements)
        summary = EvaluateSummary(found, report.write(found, folder, shown))
        report.track(run, found, summary.page, config.collection)
    return summary


def _evaluation(
    config: EvaluateConfig, rows: Rows, measured: Sequence[Measured], known: Mapping[str, Known]
) -> Evaluation:
    results = [each.result for each in measured]
    deployed = deployments(results, known, config.limits)
    agreed = [
        agreement
        for by in measured[0].answers
        for agreement in agreements(
            {each.result.model: each.answers[by] for each in measured}, config.seed
        )
    ]
    figure, _ = quality(results[0])
    return Evaluation(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=config.dataset.name,
        rows=len(rows),
        seed=config.seed,
        models=results,
        comparisons=compare(measured, config.seed),
        agreements=agreed,
        quality_of=figure,
        deployments=deployed,
        limits=config.limits,
        chosen=choose(deployed),
        hardware=machine.hardware(),
        versions=version.versions(*_PACKAGES),
    )


def _report_folder(place: str) -> Path:
    """Return the folder of the report, made before hours are spent on what goes there."""
    folder = Path(place)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"report_dir: {place!r} cannot be made ({error.strerror}); name another folder"
        ) from error
    return folder


def _queries(config: EvaluateConfig) -> list[str]:
    """Return the texts whose answers are compared.

    Raises:
        ConfigError: they cannot be read, or there is no other model to compare with.
    """
    if config.text_file is None:
        return []
    if not config.others:
        raise ConfigError(
            f"text_file={config.text_file}: the answers to these queries are compared with those "
            "by another model; name it with against=..."
        )
    return drawn_lines("text_file", config.text_file, _MOST_QUERIES, config.seed)


def _captions(config: EvaluateConfig, rows: Rows) -> list[str]:
    """Return the captions to search with.

    Raises:
        ConfigError: there are none, no label either, and no other model to agree with.
    """
    captions = draw_captions(rows, config.captions, config.seed) if config.captions else []
    near = bool(config.others) and config.agreement > 0
    if near and len(rows) < 2:
        raise ConfigError(
            f"{rows.store.url} has one image, which has no neighbours; embed more, or give "
            "agreement=0"
        )
    if not captions and config.label is None and not near and config.text_file is None:
        why = "captions=0" if not config.captions else f"{rows.store.url} has no captions"
        there = classes_of(rows.store.fingerprint.attributes)
        raise ConfigError(
            f"{why} and no label is given, so there is nothing to evaluate by; name an attribute "
            f"of the store with label=...: {there or 'it has none, embed with dataset.attributes'}"
            "; or compare neighbours with those by another model: against=..."
        )
    return captions
