"""From a configuration and a store to a report."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipvec import machine, paths, tracking, version
from clipvec.bootstrap import confidence_interval, median_limits
from clipvec.config import to_dict
from clipvec.errors import ConfigError, IncompleteStoreError
from clipvec.evaluate import report
from clipvec.evaluate.captions import retrieval
from clipvec.evaluate.report import sentences
from clipvec.evaluate.results import (
    RECALL_AT,
    Evaluation,
    MedianRank,
    ModelResult,
    RetrievalResult,
)
from clipvec.model import encode_texts
from clipvec.store import Rows, draw_captions
from clipvec.tracking import RunSpec, artifacts

if TYPE_CHECKING:
    from clipvec.config import EvaluateConfig
    from clipvec.evaluate.captions import Retrieval
    from clipvec.evaluate.results import Direction

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
    spec = RunSpec("evaluate", f"evaluate {collection}", config.store.root, to_dict(config))
    with tracking.start_run(config.tracking, spec) as run:
        fingerprint = rows.store.fingerprint.to_json()
        run.use_artifact(artifacts.store(rows.store.url, collection, fingerprint))
        found = Evaluation(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            dataset=name,
            rows=len(rows),
            seed=config.seed,
            models=[_evaluate(config, rows)],
            hardware=machine.hardware(),
            versions=_versions(),
        )
        summary = EvaluateSummary(found, report.write(found, Path(config.report_dir)))
        report.track(run, found, summary.page, collection)
    return summary


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


def _evaluate(config: EvaluateConfig, rows: Rows) -> ModelResult:
    captions = draw_captions(rows, config.captions, config.seed)
    if not captions:
        raise ConfigError(f"{rows.store.url} has no captions to evaluate by")
    texts = encode_texts(rows.store, captions)
    found = retrieval(rows, captions, texts, config.captions, config.seed)
    return ModelResult(
        model=rows.store.model["name"],
        store=rows.store.url,
        dim=rows.dim,
        fingerprint=rows.store.fingerprint.to_json(),
        retrieval=[_result(*pair, config.seed) for pair in found.items()],
    )


def _result(direction: Direction, found: Retrieval, seed: int) -> RetrievalResult:
    ranks = found.ranks.expected
    low, high = median_limits(ranks, seed)
    return RetrievalResult(
        direction=direction,
        queries=len(ranks),
        candidates=found.candidates,
        recall_at={k: confidence_interval(found.ranks.recall_at(k), seed) for k in RECALL_AT},
        median_rank=MedianRank(float(np.median(ranks)), low, high),
        chance={k: found.chance(k) for k in RECALL_AT},
    )


def _versions() -> dict[str, str]:
    found = {"clipvec": version.version(), "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in _PACKAGES}
