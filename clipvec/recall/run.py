"""From a store and a configuration to a recall report."""

from __future__ import annotations

import logging
import platform
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import machine, paths, tracking, version
from clipvec.config import FaissContestant, ModelConfig, from_dict, to_dict
from clipvec.errors import ClipvecError, ConfigError
from clipvec.progress import Progress
from clipvec.recall import prepare, queries, report, runner
from clipvec.recall.ground_truth import truth
from clipvec.recall.queries import Queries
from clipvec.recall.recommend import advise
from clipvec.recall.report import sentences
from clipvec.recall.results import Report
from clipvec.store import Rows
from clipvec.tracking import RunSpec, artifacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clipvec.config import RecallConfig
    from clipvec.recall.results import Advice, Contestant, Kind

log = logging.getLogger(__name__)
_TEXTS = 64
"""Texts of one forward pass."""
_PACKAGES = ("faiss-cpu", "chromadb", "numpy", "torch")


@dataclass(frozen=True)
class RecallSummary:
    """What a run of recall found."""

    report: Report
    page: Path

    def __str__(self) -> str:
        """Return a line for each advice, and where the report is."""
        lines = [sentences.advised(advice) for advice in self.report.advice]
        return "\n".join([*lines, f"report: {self.page}"])

    def check(self) -> None:
        """Refuse to call it a success when no contestant was measured.

        Raises:
            ClipvecError: with the reason of the first.
        """
        found = self.report.contestants
        if found and all(contestant.refused for contestant in found):
            raise ClipvecError(
                f"none of {len(found)} contestants was measured; {found[0].name}: "
                f"{found[0].refused}"
            )


def benchmark(config: RecallConfig) -> RecallSummary:
    """Measure all contestants on a store and write the report.

    Raises:
        ConfigError: what was asked for cannot be measured on this store.
        FingerprintError: the model of the text queries is not the store's.
        StoreError: the store cannot be read.
    """
    url = paths.store_dir(config.store.root, config.dataset.name, config.model.name)
    collection = paths.collection_name(config.dataset.name, config.model.name)
    rows = Rows.open(url)
    _check(config, rows)
    job = RunSpec("recall", f"recall {collection}", config.store.root, to_dict(config))
    with tracking.start_run(config.tracking, job) as run:
        fingerprint = rows.store.fingerprint.to_json()
        run.use_artifact(artifacts.store(rows.store.url, collection, fingerprint))
        if _with_chroma(config):
            run.use_artifact(artifacts.index(config.index, collection, fingerprint))
        summary = _measure(config, rows, url, collection)
        report.track(run, summary.report, summary.page, collection)
    return summary


def _check(config: RecallConfig, rows: Rows) -> None:
    """Refuse another store than was asked for, and ``apply`` without anything to apply."""
    known = rows.store.fingerprint.dataset
    for name, value in config.dataset.given().items():
        if known.get(name) != value:
            made = f"dataset.{name}={known[name]}" if name in known else f"no dataset.{name}"
            raise ConfigError(
                f"dataset.{name}={value}: the store {rows.store.url} was made with {made}; give "
                "the same, or the dataset.name of another store"
            )
    if config.apply and not _with_chroma(config):
        raise ConfigError(
            "apply=true: no contestant is the Chroma collection, so nothing will be advised for "
            "it; add one of kind chroma or chroma_http, or leave apply out"
        )


def _with_chroma(config: RecallConfig) -> bool:
    return any(not isinstance(c, FaissContestant) for c in config.contestants.values())


def _measure(config: RecallConfig, rows: Rows, url: str, collection: str) -> RecallSummary:
    measure, work = config.measure, Path(config.work)
    kinds, asked = _kinds(config, rows), _asked(config)
    depth = prepare.depth(measure, len(rows) - ("image" in kinds))
    with _turn(work):
        folder = truth(rows, kinds, asked, depth, work)
        found = list(
            runner.run(config.contestants, url, config.index, collection, folder, work, measure)
        )
    result = _report(config, rows, folder, found, _advice(config, found, kinds))
    return RecallSummary(result, report.write([result], Path(config.report)))


@contextmanager
def _turn(work: Path) -> Iterator[None]:
    """Wait until no other run measures in ``work``: two at once spoil each other's timings."""
    from filelock import FileLock, Timeout

    work.mkdir(parents=True, exist_ok=True)
    lock = FileLock(paths.work_lock(work))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.info("another run measures in %s: waiting for it", work)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _kinds(config: RecallConfig, rows: Rows) -> dict[Kind, Callable[[], Queries]]:
    """Return what draws the queries of each kind, the harder one first."""
    asked = config.queries
    kinds: dict[Kind, Callable[[], Queries]] = {}
    if asked.texts and _synthetic(rows):
        kinds["text"] = lambda: _drawn_texts(config, rows)
    elif asked.texts:
        kinds["text"] = lambda: _texts(config, rows)
    if asked.images:
        kinds["image"] = lambda: queries.images(rows, asked.images, asked.seed)
    if not kinds:
        raise ConfigError("queries.images=0 queries.texts=0: there is nothing to ask; give one")
    return kinds


def _asked(config: RecallConfig) -> dict[Kind, dict[str, Any]]:
    """Return what the queries of each kind depend on, besides the store."""
    asked = config.queries
    return {
        "image": {"count": asked.images, "seed": asked.seed},
        "text": {
            "count": asked.texts,
            "seed": asked.seed,
            "prompts": _lines(config) if asked.texts else None,
        },
    }


def _synthetic(rows: Rows) -> bool:
    return rows.store.fingerprint.dataset["kind"] == "synthetic"


def _drawn_texts(config: RecallConfig, rows: Rows) -> Queries:
    """Return texts of a synthetic store's own distribution.

    Raises:
        ConfigError: prompts were given, which no model can encode for it.
    """
    asked = config.queries
    if asked.prompts:
        raise ConfigError(
            f"queries.prompts={asked.prompts}: the vectors of {rows.store.url} are drawn, no model "
            "makes such of texts; leave it out, and texts are drawn too"
        )
    return queries.drawn_texts(rows, asked.texts, asked.seed)


def _lines(config: RecallConfig) -> list[str] | None:
    asked = config.queries
    return queries.prompts(asked.prompts, asked.texts, asked.seed) if asked.prompts else None


def _texts(config: RecallConfig, rows: Rows) -> Queries:
    """Return texts as the store's own model encodes them.

    Raises:
        FingerprintError: the model at hand is another one.
    """
    from clipvec.model import load_checked

    asked = config.queries
    lines = _lines(config)
    source = f"lines of {asked.prompts}" if lines else "captions of the store, each once"
    texts = lines or queries.captions(rows, asked.texts, asked.seed)
    named = {key: rows.store.model[key] for key in ("name", "arch", "pretrained")}
    log.info("encoding %s texts with model %s", f"{len(texts):,}", named["name"])
    made, where = rows.store.fingerprint.model, f"the store {rows.store.url}"
    encoder = load_checked(made, from_dict(named, ModelConfig), where)
    vectors = []
    with Progress() as progress:
        task = progress.task("texts", len(texts), "texts")
        for first in range(0, len(texts), _TEXTS):
            vectors.append(encoder.encode_texts(texts[first : first + _TEXTS]))
            task.advance(len(vectors[-1]))
    return Queries(np.concatenate(vectors), np.full(len(texts), -1, np.int64), source)


def _advice(config: RecallConfig, found: list[Contestant], kinds: dict[Kind, Any]) -> list[Advice]:
    """Return the advice for each kind, and for what clipvec serves where it takes part."""
    target, k = config.target_recall, config.measure.k
    hardest = next(iter(kinds))
    advice = [advise(found, kind, target, k) for kind in kinds]
    served = [advise(found, hardest, target, k, among="chroma")] if _with_chroma(config) else []
    return [*advice, *served]


def _report(
    config: RecallConfig,
    rows: Rows,
    folder: Path,
    found: list[Contestant],
    advice: list[Advice],
) -> Report:
    store = rows.store
    counts, sources = {}, {}
    for kind in _kinds(config, rows):
        with np.load(paths.queries_file(folder, kind)) as file:
            counts[kind], sources[kind] = len(file["vectors"]), str(file["source"])
    return Report(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        store=store.url,
        dataset=config.dataset.name,
        model=config.model.name,
        rows=len(rows),
        dim=rows.dim,
        synthetic=_synthetic(rows),
        fingerprint=store.fingerprint.to_json(),
        hardware=machine.hardware(),
        versions=_versions(),
        seeds={"queries": config.queries.seed, "measure": config.measure.seed},
        queries=counts,
        query_source=sources,
        contestants=found,
        advice=advice,
    )


def apply(config: RecallConfig, summary: RecallSummary) -> str:
    """Give the live collection what is advised for Chroma, and say so.

    Raises:
        ConfigError: nothing of Chroma's meets the target, or the confirmation contradicts it.
        CollectionError: the collection cannot be changed.
    """
    from clipvec.index import Collection

    advice = next(a for a in summary.report.advice if a.among == "chroma")
    choice = advice.choice
    if not advice.settings:
        why = next((c.refused for c in summary.report.contestants if c.kind == "chroma"), "")
        raise ConfigError(f"apply=true: nothing of Chroma's was measured: {why}")
    if choice is None:
        raise ConfigError(
            f"apply=true: no setting of Chroma's reaches target_recall={config.target_recall}; the "
            f"collection stays as it is, the report is in {config.report}. Build with more links "
            "(python -m clipvec.index --rebuild hnsw=accurate, or a larger hnsw.max_neighbors than "
            "it has), or lower target_recall"
        )
    ef_search = int(choice.parameters["ef_search"])
    if choice.confirmed.high < config.target_recall:
        raise ConfigError(
            f"apply=true: ef_search={ef_search} was chosen for target_recall="
            f"{config.target_recall}, but the queries that it was not chosen on contradict it "
            f"(recall {choice.confirmed.low:.3f} to {choice.confirmed.high:.3f}); the collection "
            "stays as it is. Sweep wider values: 'contestants.chroma.sweep.ef_search=[...]'"
        )
    name = paths.collection_name(config.dataset.name, config.model.name)
    with Collection.open(config.index, name) as collection:
        collection.set_ef_search(ef_search)
    return "\n".join(
        [
            f"applied: {name} searches with ef_search={ef_search} now. "
            + sentences.confirmed(choice, config.target_recall),
            f"from now on give clipvec.index hnsw.ef_search={ef_search}, or it sets its own again",
        ]
    )


def _versions() -> dict[str, str]:
    found = {"clipvec": version.version(), "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in _PACKAGES}
