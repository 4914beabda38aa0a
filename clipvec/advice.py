"""Which index and which setting to run: the cheapest that meets a target recall.

It is chosen on one half of the queries and confirmed on the other, because the best of many
settings looks better on the queries that it was chosen on than it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from clipvec.measures import Advice, Choice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.measures import Contestant, Kind, Setting


def advise(
    contestants: Sequence[Contestant],
    kind: Kind,
    target: float,
    k: int,
    among: Literal["all", "chroma"] = "all",
) -> Advice:
    """Return the setting that meets ``target`` and answers most single queries a second.

    Args:
        contestants: with what was measured of them.
        kind: the queries that have to be answered.
        target: least recall@k.
        k: one of those that were measured.
        among: ``chroma`` leaves out what clipvec does not serve.
    """
    considered = [c for c in contestants if among in {"all", c.kind}]
    candidates = [(c, s, choice) for c in considered for s, choice in _choices(c, kind, k)]
    meeting = [entry for entry in candidates if entry[2].chosen.value >= target]
    best = max(meeting, key=lambda entry: entry[2].qps, default=None)
    nearest = max(candidates, key=lambda entry: entry[2].chosen.value, default=None)
    return Advice(
        target_recall=target,
        k=k,
        kind=kind,
        choice=best[2] if best else None,
        nearest=nearest[2] if nearest and not best else None,
        lines=_lines(best[0], best[1]) if best else [],
        among=among,
    )


def _choices(contestant: Contestant, kind: Kind, k: int) -> Iterator[tuple[Setting, Choice]]:
    for setting in contestant.settings:
        quality = [q for q in setting.quality if q.kind == kind and k in q.first_half]
        speed = [s for s in setting.speed if s.kind == kind and s.mode == "single"]
        if quality and speed:
            chosen, confirmed = quality[0].first_half[k], quality[0].second_half[k]
            parameters = dict(setting.parameters)
            yield (
                setting,
                Choice(contestant.name, parameters, chosen, confirmed, speed[0].qps),
            )


def _lines(contestant: Contestant, setting: Setting) -> list[str]:
    """Return the configuration that chooses a setting: of clipvec.index, or of this benchmark."""
    parameters = [f"{name}: {value}" for name, value in setting.parameters.items()]
    if contestant.kind == "chroma":
        return ["hnsw:", *(f"  {line}" for line in parameters)] if parameters else []
    build = [f"      {name}: {value}" for name, value in contestant.build_parameters.items()]
    sweep = [f"      {name}: [{value}]" for name, value in setting.parameters.items()]
    return [
        "contestants:",
        f"  {contestant.name}:",
        "    kind: faiss",
        f'    factory: "{contestant.factory}"',
        *(["    build:", *build] if build else []),
        *(["    sweep:", *sweep] if sweep else []),
    ]
