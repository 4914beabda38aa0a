"""From a store and a configuration to a recall report."""

from __future__ import annotations

import logging
import os
import platform
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import code, contest, paths, report, tracking
from clipvec.advice import advise
from clipvec.config import FaissContestant, ModelConfig, from_dict, to_dict
from clipvec.errors import ConfigError
from clipvec.exact import queries
from clipvec.exact.queries import Queries
from clipvec.exact.rows import Rows
from clipvec.exact.truth import truth
from clipvec.measures import Report
from clipvec.progress import Progress
from clipvec.tracking import Job, artifacts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clipvec.config import RecallConfig
    from clipvec.measures import Advice, Contestant, Kind

log = logging.getLogger(__name__)
_TEXTS = 64
"""Texts of one forward pass."""
_PACKAGES = ("faiss-cpu", "chromadb", "numpy", "torch")


@dataclass(frozen=True)
class Summary:
    """What a run found."""

    report: Report
    page: Path
    applied: int | None
    """The ef_search that the live collection was given."""

    def __str__(self) -> str:
        """Return a line for each advice, and where the report is."""
        lines = [_advised(advice) for advice in self.report.advice]
        if self.applied is not None:
            lines.append(f"applied: the collection searches with ef_search={self.applied} now")
        return "\n".join([*lines, f"report: {self.page}"])


def benchmark(config: RecallConfig) -> Summary:
    """Measure all contestants on a store and write the report.

    Raises:
        ConfigError: what was asked for cannot be measured on this store.
        StoreError: the store cannot be read.
        CollectionError: ``apply`` cannot change the collection.
    """
    url = paths.store_dir(config.store.root, config.dataset.name, config.model.name)
    collection = paths.collection_name(config.dataset.name, config.model.name)
    rows = Rows.open(url)
    job = Job("recall", f"recall {collection}", config.store.root, to_dict(config))
    with tracking.start(config.tracking, job) as run:
        fingerprint = rows.store.fingerprint.to_json()
        run.used(artifacts.store(rows.store.url, collection, fingerprint))
        if any(not isinstance(c, FaissContestant) for c in config.contestants.values()):
            run.used(artifacts.index(config.index, collection, fingerprint))
        summary = _measure(config, rows, url, collection)
        report.track(run, summary.report, summary.page, collection)
    return summary


def _measure(config: RecallConfig, rows: Rows, url: str, collection: str) -> Summary:
    measure = config.measure
    work = Path(config.work)
    kinds = _kinds(config, rows)
    asked = {**to_dict(config.queries), "prompts": _lines(config)}
    with _turn(work):
        folder = truth(rows, kinds, asked, contest.depth(measure, len(rows)), work)
        found = list(
            contest.run(config.contestants, url, config.index, collection, folder, work, measure)
        )
    advice = _advice(config, found, kinds)
    result = _report(config, rows, folder, found, advice)
    page = report.write([result], Path(config.report))
    return Summary(result, page, _apply(config, collection, advice) if config.apply else None)


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
    file = config.queries.prompts
    return queries.prompts(file)[: config.queries.texts] if file else None


def _texts(config: RecallConfig, rows: Rows) -> Queries:
    """Return texts as the store's own model encodes them."""
    from clipvec import model

    asked = config.queries
    lines = _lines(config)
    source = f"lines of {asked.prompts}" if lines else "captions of the store, each once"
    texts = lines or queries.captions(rows, asked.texts, asked.seed)
    named = {key: rows.store.model[key] for key in ("name", "arch", "pretrained")}
    log.info("encoding %s texts with model %s", f"{len(texts):,}", named["name"])
    encoder = model.load(from_dict(named, ModelConfig))
    vectors = []
    with Progress() as progress:
        task = progress.task("texts", len(texts), "texts")
        for first in range(0, len(texts), _TEXTS):
            vectors.append(encoder.encode_texts(texts[first : first + _TEXTS]))
            task.advance(len(vectors[-1]))
    return Queries(np.concatenate(vectors), np.full(len(texts), -1, np.int64), source)


def _advice(config: RecallConfig, found: list[Contestant], kinds: dict[Kind, Any]) -> list[Advice]:
    """Return the advice among all contestants for each kind, and for what clipvec serves."""
    target, k = config.target_recall, config.measure.k
    hardest = next(iter(kinds))
    advice = [advise(found, kind, target, k) for kind in kinds]
    return [*advice, advise(found, hardest, target, k, among="chroma")]


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
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        store=store.url,
        dataset=config.dataset.name,
        model=config.model.name,
        rows=len(rows),
        dim=rows.dim,
        synthetic=_synthetic(rows),
        fingerprint=store.fingerprint.to_json(),
        hardware=_hardware(),
        versions=_versions(),
        seeds={"queries": config.queries.seed, "measure": config.measure.seed},
        queries=counts,
        query_source=sources,
        contestants=found,
        advice=advice,
    )


def _apply(config: RecallConfig, name: str, advice: list[Advice]) -> int:
    """Give the live collection what is advised for Chroma.

    Raises:
        ConfigError: no setting of Chroma's that was measured meets the target.
    """
    from clipvec.vectors import Collection

    choice = next(a.choice for a in advice if a.among == "chroma")
    if choice is None or "ef_search" not in choice.parameters:
        raise ConfigError(
            f"apply=true: no setting of Chroma's reaches target_recall={config.target_recall}; the "
            f"collection stays as it is, the report is in {config.report}. Build with more links "
            "(python -m clipvec.index hnsw=accurate --rebuild), or lower target_recall"
        )
    ef_search = int(choice.parameters["ef_search"])
    with Collection.open(config.index, name) as collection:
        collection.set_ef_search(ef_search)
    return ef_search


def _advised(advice: Advice) -> str:
    """Return an advice as a line."""
    who = f"{advice.kind} queries" + (", Chroma alone" if advice.among == "chroma" else "")
    goal = f"recall@{advice.k} of {advice.target_recall:g}"
    found = advice.choice or advice.nearest
    if found is None:
        return f"{who}: nothing was measured"
    setting = ", ".join(f"{key}={value:g}" for key, value in found.parameters.items())
    measured = (
        f"{found.contestant} {setting}".strip() + f" (recall@{advice.k} "
        f"{found.confirmed.value:.3f}, {found.confirmed.low:.3f} to {found.confirmed.high:.3f}, "
        f"on the queries that it was not chosen on; {found.qps:,.0f} queries/s)"
    )
    if advice.choice:
        return f"{who}: {measured}"
    return f"{who}: nothing reaches {goal}; nearest is {measured}"


def _hardware() -> dict[str, str]:
    import psutil

    memory = psutil.virtual_memory().total / 2**30
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "load": f"{os.getloadavg()[0]:.1f}",
        "system": platform.platform(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _versions() -> dict[str, str]:
    found = {"clipvec": code.version(), "python": platform.python_version()}
    return found | {name: metadata.version(name) for name in _PACKAGES}
