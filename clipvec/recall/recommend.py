"""Which index and which setting to run: the cheapest that meets a target recall.

It is chosen on one half of the queries and confirmed on the other, because the best of many
settings looks better on the queries that it was chosen on than it is. Speeds are those of several
rounds: where the rounds of two settings overlap, nobody knows which is faster, and the one of the
higher recall is better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clipvec.recall.results import Advice, Choice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.recall.results import Contestant, Kind, Setting

    _Entry = tuple[Contestant, Setting, Choice]


def advise(
    contestants: Sequence[Contestant],
    kind: Kind,
    target: float,
    k: int,
    among: Literal["all", "chroma"] = "all",
) -> Advice:
    """Return the setting that meets ``target`` and answers most single queries a second.

    Settings of which a round was as fast as a round of the fastest are a tie, which goes to the
    highest recall.

    Args:
        contestants: with what was measured of them.
        kind: the queries that have to be answered.
        target: least recall@k.
        k: one of those that were measured.
        among: ``chroma`` leaves out what clipvec does not serve.
    """
    considered = [c for c in contestants if among in {"all", c.kind}]
    candidates = [(c, s, choice) for c in considered for s, choice in _choices(c, kind, k)]
    best = _best([entry for entry in candidates if entry[2].chosen.value >= target])
    nearest = max(candidates, key=lambda entry: entry[2].chosen.value, default=None)
    return Advice(
        target_recall=target,
        k=k,
        kind=kind,
        choice=best[2] if best else None,
        nearest=nearest[2] if nearest and not best else None,
        lines=_lines(best[0], best[1]) if best else [],
        among=among,
        settings=sum(_measured(s, kind, k) for c in considered for s in c.settings),
    )


def _best(meeting: Sequence[_Entry]) -> _Entry | None:
    """Return the fastest, or the one of the highest recall among those that may be as fast."""
    if not meeting:
        return None
    fastest = max(meeting, key=lambda entry: entry[2].qps)[2]
    tied = [entry for entry in meeting if entry[2].qps_high >= fastest.qps_low]
    return max(tied, key=lambda entry: (entry[2].chosen.value, entry[2].qps))


def _measured(setting: Setting, kind: Kind, k: int) -> bool:
    return any(quality.kind == kind and k in quality.recall for quality in setting.quality)


def _choices(contestant: Contestant, kind: Kind, k: int) -> Iterator[tuple[Setting, Choice]]:
    for setting in contestant.settings:
        quality = [q for q in setting.quality if q.kind == kind and k in q.first_half]
        speed = [s for s in setting.speed if s.kind == kind and s.mode == "single"]
        if quality and speed:
            chosen, confirmed = quality[0].first_half[k], quality[0].second_half[k]
            rounds = (speed[0].qps, speed[0].qps_low, speed[0].qps_high)
            parameters = dict(setting.parameters)
            yield setting, Choice(contestant.name, parameters, chosen, confirmed, *rounds)


def _lines(contestant: Contestant, setting: Setting) -> list[str]:
    """Return the configuration that chooses a setting: of clipvec.index, or of this benchmark."""
    parameters = [f"{name}: {value}" for name, value in setting.parameters.items()]
    if contestant.kind == "chroma":
        return [
            "# python -m clipvec.index, as hnsw.ef_search=... or in a file of conf/experiment:",
            "hnsw:",
            *(f"  {line}" for line in parameters),
        ]
    build = [f"      {name}: {value}" for name, value in contestant.build_parameters.items()]
    sweep = [f"      {name}: [{value}]" for name, value in setting.parameters.items()]
    return [
        "# python -m clipvec.recall, in a file of conf/experiment (clipvec serves Chroma alone):",
        "contestants:",
        f"  {contestant.name}:",
        "    kind: faiss",
        f'    factory: "{contestant.factory}"',
        *(["    build:", *build] if build else []),
        *(f"    {name}: {value}" for name, value in contestant.training.items()),
        *(["    sweep:", *sweep] if sweep else []),
    ]
