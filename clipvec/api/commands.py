"""The commands from Python.

Functions that compose a configuration take options like the commands. Positional arguments are
Hydra overrides, as on the command line; keyword arguments set options to Python values:

    clipvec.run_embed("sharding=x1", model="sample", shards=[0, 2], **{"dataset.path": folder})

Every error that a caller can cause is a `ClipvecError`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from clipvec import config, index
from clipvec.api.search import SearchIndex
from clipvec.api.store import StoreReader
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from clipvec.embed import EmbedSummary
    from clipvec.evaluate import EvaluateSummary, Evaluation
    from clipvec.index import IndexSummary
    from clipvec.recall import RecallSummary, Report

T = TypeVar("T")


def open_index(path: str | Path | None = None, **options: object) -> SearchIndex:
    """Open an index built by ``clipvec index``.

    Args:
        path: folder of an embedded index, such as ``data/index``; None: see ``options``.
        options: those of ``clipvec search``, such as ``index="chroma_http"``,
            ``collection="sample--sample"``, ``**{"model.device": "cpu"}``.

    Raises:
        ConfigError: an option is unknown or has a value that is not allowed.
        CollectionError: there is no index, or there are several to choose from.
    """
    if path is not None:
        options["index.path"] = path
    settings = _compose("search", (), options, config.SearchConfig)
    return SearchIndex(index.open_index(settings.index, *settings.wanted), settings.model)


def open_store(url: str | Path) -> StoreReader:
    """Open a store written by ``clipvec embed``.

    Args:
        url: its folder, ``<store.root>/<dataset>/<model>``, or a URL supported by fsspec.

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    from clipvec.store import Rows

    return StoreReader(Rows.open(str(url)))


def run_embed(*overrides: str, **options: object) -> EmbedSummary:
    """Embed the missing shards of a dataset into a store, as ``clipvec embed`` does.

    Args:
        overrides: as on the command line, such as ``"dataset.limit=100"``.
        options: the same as Python values: ``model="sample", shards=range(4)``.

    Raises:
        ClipvecError: see ``clipvec.errors``; finished work is kept.
    """
    from clipvec.embed import embed_shards

    settings = _compose("embed", overrides, options, config.EmbedConfig)
    _refuse_launcher("embed", settings.launcher)
    return embed_shards(settings)


def run_index(*overrides: str, **options: object) -> IndexSummary:
    """Load a store into an index and verify it, as ``clipvec index`` does.

    Args:
        overrides: as on the command line, such as ``"hnsw=accurate"``.
        options: the same as Python values: ``model="sample", rebuild=True``.

    Raises:
        ClipvecError: see ``clipvec.errors``; loaded rows are kept.
    """
    from clipvec import projection
    from clipvec.index import build_index

    settings = _compose("index", overrides, options, config.IndexCommandConfig)
    _refuse_launcher("index", settings.launcher)
    return build_index(settings, projection.log_projection)


def run_recall(*overrides: str, **options: object) -> RecallSummary:
    """Measure how good indexes are on a store, as ``clipvec recall`` does.

    Args:
        overrides: as on the command line, such as ``"measure=quick"``.
        options: the same as Python values: ``model="sample", target_recall=0.98``.

    Raises:
        ClipvecError: see ``clipvec.errors``; finished measurements are kept.
    """
    from clipvec.recall import apply, benchmark

    settings = _compose("recall", overrides, options, config.RecallConfig)
    _refuse_launcher("recall", settings.launcher)
    summary = benchmark(settings)
    summary.check()
    if settings.apply:
        apply(settings, summary.report)
    return summary


def run_evaluate(*overrides: str, **options: object) -> EvaluateSummary:
    """Evaluate the model of a store on its images, as ``clipvec evaluate`` does.

    Args:
        overrides: as on the command line, such as ``"captions=1000"``.
        options: the same as Python values: ``model="sample", seed=1``.

    Raises:
        ClipvecError: see ``clipvec.errors``.
    """
    from clipvec.evaluate import evaluate

    return evaluate(_compose("evaluate", overrides, options, config.EvaluateConfig))


def load_report(path: str | Path) -> Report:
    """Load a recall report from the folder written by ``run_recall``, or from its ``report.json``.

    Raises:
        ConfigError: there is none, or the file is not a report.
    """
    from clipvec.recall import report

    return report.read(Path(path))


def load_evaluation(path: str | Path) -> Evaluation:
    """Load an evaluation from the folder written by ``run_evaluate``, or from its ``report.json``.

    Raises:
        ConfigError: there is none, or the file is not an evaluation.
    """
    from clipvec.evaluate import report

    return report.read(Path(path))


def _compose(
    command: str, overrides: Iterable[str], options: Mapping[str, object], schema: type[T]
) -> T:
    config.load_env()
    words = [*overrides, *(config.override(*option) for option in options.items())]
    return config.read_command(command, words, schema)


def _refuse_launcher(command: str, launcher: config.LauncherConfig) -> None:
    if launcher.kind != "local":
        raise ConfigError(
            f"launcher={launcher.kind} starts sweeps, which only commands do: "
            f"clipvec {command} -m launcher={launcher.kind}"
        )
