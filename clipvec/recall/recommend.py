"""Which system and which setting to run: the cheapest that meets a target recall.

It is selected on one half of the queries and validated on the other, because the best of many
settings looks better than it is on the queries that selected it. QPS is that of several rounds:
where the rounds of two settings overlap, either may be the faster, and the one of higher recall is
recommended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import yaml

from clipvec.recall.results import SERVED, Candidate, Recommendation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.recall.results import Kind, SearchSetting, SystemResult

    _Entry = tuple[SystemResult, SearchSetting, Candidate]


def recommend(
    systems: Sequence[SystemResult],
    kind: Kind,
    target: float,
    k: int,
    among: Literal["all", "served"] = "all",
) -> Recommendation:
    """Return the setting that meets ``target`` with the highest QPS of single queries.

    Settings of which a round was as fast as a round of the fastest are a tie, which goes to the
    highest recall.

    Args:
        systems: with what was measured of them.
        kind: of the queries.
        target: least recall@k.
        k: one of those that were measured.
        among: ``served`` leaves out what clipvec does not serve.
    """
    considered = [s for s in systems if among == "all" or s.kind in SERVED]
    entries = [entry for system in considered for entry in _entries(system, kind, k)]
    best = _best([entry for entry in entries if entry[2].selection.value >= target])
    nearest = max(entries, key=lambda entry: entry[2].selection.value, default=None)
    return Recommendation(
        target_recall=target,
        k=k,
        kind=kind,
        choice=best[2] if best else None,
        nearest=nearest[2] if nearest and not best else None,
        config=_config(best[0], best[1]) if best else "",
        among=among,
        num_settings=sum(_measured(s, kind, k) for c in considered for s in c.settings),
    )


def _best(meeting: Sequence[_Entry]) -> _Entry | None:
    """Return the fastest, or the one of the highest recall among those that may be as fast."""
    if not meeting:
        return None
    fastest = max(meeting, key=lambda entry: entry[2].qps)[2]
    tied = [entry for entry in meeting if entry[2].qps_high >= fastest.qps_low]
    return max(tied, key=lambda entry: (entry[2].selection.value, entry[2].qps))


def _measured(setting: SearchSetting, kind: Kind, k: int) -> bool:
    return any(recall.kind == kind and k in recall.recall_at for recall in setting.recall)


def _entries(system: SystemResult, kind: Kind, k: int) -> Iterator[_Entry]:
    for setting in system.settings:
        recall = [r for r in setting.recall if r.kind == kind and k in r.selection]
        single = [
            s for s in setting.latency if (s.kind, s.batch_size, s.concurrency) == (kind, 1, 1)
        ]
        if recall and single:
            halves = recall[0].selection[k], recall[0].validation[k]
            rounds = single[0].qps, single[0].qps_low, single[0].qps_high
            parameters = dict(setting.parameters)
            yield system, setting, Candidate(system.name, parameters, *halves, *rounds)


def _config(system: SystemResult, setting: SearchSetting) -> str:
    """Return the YAML that selects a setting: of clipvec index, or of this benchmark."""
    if system.kind == "chroma":
        where = "clipvec index, as hnsw.ef_search=... or in a file of conf/experiment"
        return _yaml(where, {"hnsw": dict(setting.parameters)})
    if system.kind == "disk":
        where = "clipvec search and bentoml serve, as index.nprobe=... or as applied"
        return _yaml(where, {"index": dict(setting.parameters)})
    where = "clipvec recall, in a file of conf/experiment (not served by clipvec)"
    about = {
        "kind": "faiss",
        "factory": system.factory,
        "build": dict(system.build_parameters),
        **system.training,
        "sweep": {name: [value] for name, value in setting.parameters.items()},
    }
    given = {name: value for name, value in about.items() if value != {}}
    return _yaml(where, {"systems": {system.name: given}})


def _yaml(where: str, values: dict[str, Any]) -> str:
    text = yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True)
    return f"# {where}:\n{text}"
