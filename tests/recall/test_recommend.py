"""Which setting is advised."""

from __future__ import annotations

import pytest

from clipvec.recall.recommend import advise
from clipvec.recall.results import (
    Contestant,
    Interval,
    Kind,
    Mode,
    Parameters,
    Quality,
    Setting,
    Speed,
)


def setting(
    parameters: Parameters, first: float, qps: float, second: float = 0.9, spread: float = 0.1
) -> Setting:
    halves = [Interval(value, value - 0.02, min(1, value + 0.02)) for value in (first, second)]
    whole = {10: Interval(0.5, 0.4, 0.6)}
    quality = [Quality("text", whole, 100, {10: halves[0]}, {10: halves[1]})]
    speed = [
        timed("text", "batch", 32, 9 * qps, spread),
        timed("text", "single", 1, qps, spread),
        timed("image", "single", 1, 99_999, spread),
    ]
    return Setting(parameters, quality, speed)


def timed(kind: Kind, mode: Mode, width: int, qps: float, spread: float) -> Speed:
    rounds = (qps, qps * (1 - spread), qps * (1 + spread), 300)
    return Speed(kind, mode, width, *rounds, 1, 1, 1)


CHROMA = Contestant(
    "live",
    "chroma",
    "HNSW",
    settings=[setting({"ef_search": 100}, 0.93, 500), setting({"ef_search": 200}, 0.97, 300, 0.96)],
)
HNSW = Contestant(
    "hnsw",
    "faiss",
    "HNSW32",
    settings=[
        setting({"efSearch": 64}, 0.949, 3000),
        setting({"efSearch": 128}, 0.951, 2000, 0.94),
        setting({"efSearch": 256}, 0.99, 900),
    ],
    build_parameters={"efConstruction": 100},
    training={"train_rows": 5000},
)
REFUSED = Contestant("huge", "faiss", "Flat", refused="too little memory")


def test_the_fastest_that_meets_the_target_on_the_first_half() -> None:
    found = advise([CHROMA, HNSW, REFUSED], "text", 0.95, 10)
    assert found.choice is not None
    assert (found.choice.contestant, found.choice.parameters) == ("hnsw", {"efSearch": 128})
    assert (found.choice.qps, found.choice.qps_low) == (2000, 1800)
    assert found.choice.qps_high == pytest.approx(2200)
    assert found.choice.chosen == Interval(0.951, 0.951 - 0.02, 0.951 + 0.02)
    assert found.choice.confirmed.value == 0.94
    assert found.nearest is None
    assert found.settings == 5
    assert found.lines == [
        "# python -m clipvec.recall, in a file of conf/experiment (clipvec serves Chroma alone):",
        "contestants:",
        "  hnsw:",
        "    kind: faiss",
        '    factory: "HNSW32"',
        "    build:",
        "      efConstruction: 100",
        "    train_rows: 5000",
        "    sweep:",
        "      efSearch: [128]",
    ]


def test_among_what_clipvec_serves() -> None:
    found = advise([CHROMA, HNSW], "text", 0.95, 10, "chroma")
    assert found.choice is not None
    assert found.choice.parameters == {"ef_search": 200}
    assert found.lines == [
        "# python -m clipvec.index, as hnsw.ef_search=... or in a file of conf/experiment:",
        "hnsw:",
        "  ef_search: 200",
    ]
    assert found.among == "chroma"


def test_nothing_meets_the_target() -> None:
    found = advise([CHROMA, HNSW], "text", 0.995, 10)
    assert found.choice is None
    assert found.lines == []
    assert found.nearest is not None
    assert found.nearest.parameters == {"efSearch": 256}


def test_nothing_was_measured() -> None:
    for kind, k in (("image", 10), ("text", 100)):
        found = advise([CHROMA, REFUSED], kind, 0.9, k)  # type: ignore[arg-type]
        assert (found.choice, found.nearest, found.settings) == (None, None, 0)


def test_one_query_is_measured_but_not_chosen_on() -> None:
    one = setting({}, 1.0, 100)
    quality = [Quality("text", one.quality[0].recall, 1)]
    alone = Contestant("flat", "faiss", "Flat", settings=[Setting({}, quality, one.speed)])
    found = advise([alone], "text", 0.9, 10)
    assert (found.choice, found.nearest, found.settings) == (None, None, 1)


@pytest.mark.parametrize(
    ("spread", "chosen"),
    [(0.01, 1), (0.1, 2), (0.3, 3)],
    ids=["apart", "two overlap", "all overlap"],
)
def test_a_tie_of_speeds_goes_to_the_higher_recall(spread: float, chosen: int) -> None:
    """And what is too inaccurate takes no part, however fast."""
    settings = [
        setting({"ef": 0}, 0.90, 9000, spread=spread),
        setting({"ef": 1}, 0.96, 1000, spread=spread),
        setting({"ef": 2}, 0.97, 900, spread=spread),
        setting({"ef": 3}, 0.99, 600, spread=spread),
    ]
    contestant = Contestant("hnsw", "faiss", "HNSW32", settings=settings)
    found = advise([contestant], "text", 0.95, 10)
    assert found.choice is not None
    assert found.choice.parameters == {"ef": chosen}
