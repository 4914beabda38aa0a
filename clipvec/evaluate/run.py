"""From a configuration and a store to a report."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from clipvec import machine, paths, tracking, version
from clipvec.config import to_dict
from clipvec.errors import ConfigError, IncompleteStoreError
from clipvec.evaluate import report
from clipvec.evaluate.labels import classes_of
from clipvec.evaluate.measure import measure
from clipvec.evaluate.report import sentences
from clipvec.evaluate.results import Evaluation
from clipvec.store import Rows, draw_captions
from clipvec.tracking import RunSpec, artifacts

if TYPE_CHECKING:
    from clipvec.config import EvaluateConfig

_PACKAGES = ("numpy", "torch")


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
        ConfigError: the store has nothing to evaluate by.
        FingerprintError: the model that loads is not the store's.
        StoreError: the store cannot be read.
    """
    name = config.dataset.name
    collection = paths.collection_name(name, config.model.name)
    rows = Rows.open(paths.store_dir(config.store.root, name, config.model.name))
    _check_finished(rows)
    _check_packages(config)
    captions = _captions(config, rows)
    spec = RunSpec("evaluate", f"evaluate {collection}", config.store.root, to_dict(config))
    with tracking.start_run(config.tracking, spec) as run:
        fingerprint = rows.store.fingerprint.to_json()
        run.use_artifact(artifacts.store(rows.store.url, collection, fingerprint))
        found = Evaluation(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            dataset=name,
            rows=len(rows),
            seed=config.seed,
            models=[measure(config, rows, captions).result],
            hardware=machine.hardware(),
            versions=_versions(),
        )
        summary = EvaluateSummary(found, report.write(found, Path(config.report_dir)))
        report.track(run, found, summary.page, collection)
    return summary


def _check_packages(config: EvaluateConfig) -> None:
    """Refuse what would fail after the captions."""
    if config.label is not None and find_spec("faiss") is None:
        raise ConfigError(
            f"label={config.label} needs faiss, which is missing; run: pip install "
            "'clipvec[recall]'"
        )


def _check_finished(rows: Rows) -> None:
    """Refuse a store that has no rows, or of which a shard was begun and is not committed."""
    store = rows.store
    done = {paths.ShardPaths(shard).folder for shard in store.committed()}
    begun = {name for name in store.folder.folders() if name.startswith("shard-")}
    if unfinished := sorted(begun - done):
        raise IncompleteStoreError(
            f"{store.url} is not finished: {unfinished[0]} is not committed; run the "
            "python -m clipvec.embed that began it again"
        )
    if not len(rows):
        raise IncompleteStoreError(
            f"{store.url} has no rows; embed images with python -m clipvec.embed first"
        )


def _captions(config: EvaluateConfig, rows: Rows) -> list[str]:
    """Return the captions to search with.

    Raises:
        ConfigError: there are none, and no label either.
    """
    captions = draw_captions(rows, config.captions, config.seed) if config.captions else []
    if not captions and config.label is None:
        why = "captions=0" if not config.captions else f"{rows.store.url} has no captions"
        there = classes_of(rows.store.fingerprint.attributes)
        raise ConfigError(
            f"{why} and no label is given, so there is nothing to evaluate by; name an attribute "
            f"of the store with label=...: {there or 'it has none, embed with dataset.attributes'}"
        )
    return captions


def _versions() -> dict[str, str]:
    found = {"clipvec": version.version(), "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in _PACKAGES}
