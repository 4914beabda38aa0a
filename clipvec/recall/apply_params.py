"""The live index gets the search parameters that a report recommends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.errors import ConfigError
from clipvec.index import open_index
from clipvec.recall.report import sentences
from clipvec.recall.results import SERVED

if TYPE_CHECKING:
    from clipvec.config import RecallConfig
    from clipvec.recall.results import Candidate, Report


def apply(config: RecallConfig, report: Report) -> str:
    """Give the live index the search parameters that are recommended, and return what was done.

    Raises:
        ConfigError: nothing that clipvec serves meets the target, or the validation contradicts it.
        CollectionError: the index cannot be changed.
    """
    choice = _choice(config, report)
    if not choice.parameters:
        return f"nothing to apply: {choice.system} is exact"
    with open_index(config.index, config.collection, bare=True) as index:
        index.set_search_settings(choice.parameters)
    given = sentences.parameters(choice.parameters)
    ef_search = choice.parameters.get("ef_search")
    said = f"applied: {config.collection} now searches with {given}. "
    said += sentences.validated(choice, config.target_recall)
    if ef_search is None:
        return f"{said}\nindex.nprobe and index.candidates go before them, where they are given"
    again = f"hnsw.ef_search={ef_search}, or it sets its own again"
    return f"{said}\nfrom now on give clipvec index {again}"


def _choice(config: RecallConfig, report: Report) -> Candidate:
    """Return the setting to apply; refuse one that the held-out queries contradict."""
    target = config.target_recall
    found = next(r for r in report.recommendations if r.among == "served")
    if not found.num_settings:
        reason = next((s.skipped for s in report.systems if s.kind in SERVED), "")
        raise ConfigError(f"apply=true: the live index was not measured: {reason}")
    if found.choice is None:
        raise ConfigError(
            f"apply=true: no setting of the live index reaches target_recall={target}; it stays as "
            f"it is, the report is in {config.report_dir}. {_more(found.nearest)}"
        )
    validation = found.choice.validation
    if validation.high < target:
        raise ConfigError(
            f"apply=true: {sentences.parameters(found.choice.parameters)} was selected for "
            f"target_recall={target}, but the held-out queries contradict it (recall "
            f"{validation.value:.3f}, 95 % CI {validation.low:.3f} to {validation.high:.3f}); the "
            f"index stays as it is. Sweep wider values: 'systems.{found.choice.system}.sweep."
            f"{next(iter(found.choice.parameters))}=[...]'"
        )
    return found.choice


def _more(nearest: Candidate | None) -> str:
    """Say what would find more than the setting that came nearest."""
    if nearest is not None and "nprobe" in nearest.parameters:
        return "Sweep wider values of nprobe and candidates, or lower target_recall"
    return (
        "Build with more links (clipvec index --rebuild hnsw=accurate, or a larger "
        "hnsw.max_neighbors than it has), or lower target_recall"
    )
