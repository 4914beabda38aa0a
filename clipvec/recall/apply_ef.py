"""The live collection gets the search parameter that a report recommends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.errors import ConfigError
from clipvec.index import open_index
from clipvec.recall.report import sentences

if TYPE_CHECKING:
    from clipvec.config import RecallConfig
    from clipvec.recall.results import Candidate, Report


def apply(config: RecallConfig, report: Report) -> str:
    """Give the live collection the ef_search that is recommended, and return what was done.

    Raises:
        ConfigError: nothing that clipvec serves meets the target, or the validation contradicts it.
        CollectionError: the collection cannot be changed.
    """
    choice = _choice(config, report)
    ef_search = int(choice.parameters["ef_search"])
    name = paths.collection_name(config.dataset.name, config.model.name)
    with open_index(config.index, name, bare=True) as collection:
        collection.set_search_settings({"ef_search": ef_search})
    return (
        f"applied: {name} now searches with ef_search={ef_search}. "
        f"{sentences.validated(choice, config.target_recall)}\n"
        f"from now on give clipvec.index hnsw.ef_search={ef_search}, or it sets its own again"
    )


def _choice(config: RecallConfig, report: Report) -> Candidate:
    """Return the setting to apply; refuse one that the held-out queries contradict."""
    target = config.target_recall
    found = next(r for r in report.recommendations if r.among == "served")
    if not found.num_settings:
        reason = next((s.skipped for s in report.systems if s.kind == "chroma"), "")
        raise ConfigError(f"apply=true: nothing of Chroma's was measured: {reason}")
    if found.choice is None:
        raise ConfigError(
            f"apply=true: no setting of Chroma's reaches target_recall={target}; the collection "
            f"stays as it is, the report is in {config.report_dir}. Build with more links "
            "(python -m clipvec.index --rebuild hnsw=accurate, or a larger hnsw.max_neighbors than "
            "it has), or lower target_recall"
        )
    validation = found.choice.validation
    if validation.high < target:
        raise ConfigError(
            f"apply=true: ef_search={found.choice.parameters['ef_search']} was selected for "
            f"target_recall={target}, but the held-out queries contradict it (recall "
            f"{validation.value:.3f}, 95 % CI {validation.low:.3f} to {validation.high:.3f}); the "
            "collection stays as it is. Sweep wider values: 'systems.chroma.sweep.ef_search=[...]'"
        )
    return found.choice
