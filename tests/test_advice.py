"""Which setting is advised."""

from __future__ import annotations

from clipvec.advice import advise
from clipvec.measures import Contestant, Interval, Parameters, Quality, Setting, Speed


def setting(parameters: Parameters, first: float, qps: float, second: float = 0.9) -> Setting:
    halves = [Interval(value, value - 0.02, value + 0.02) for value in (first, second)]
    whole = {10: Interval(0.5, 0.4, 0.6)}
    quality = [Quality("text", whole, 100, {10: halves[0]}, {10: halves[1]})]
    speed = [
        Speed("text", "batch", 32, 9 * qps, 1, 1, 1),
        Speed("text", "single", 1, qps, 1, 1, 1),
        Speed("image", "single", 1, 99_999, 1, 1, 1),
    ]
    return Setting(parameters, quality, speed)


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
)
REFUSED = Contestant("huge", "faiss", "Flat", refused="too little memory")


def test_the_fastest_that_meets_the_target_on_the_first_half() -> None:
    found = advise([CHROMA, HNSW, REFUSED], "text", 0.95, 10)
    assert found.choice is not None
    assert (found.choice.contestant, found.choice.parameters) == ("hnsw", {"efSearch": 128})
    assert found.choice.qps == 2000
    assert found.choice.chosen == Interval(0.951, 0.951 - 0.02, 0.951 + 0.02)
    assert found.choice.confirmed.value == 0.94
    assert found.nearest is None
    assert found.lines == [
        "contestants:",
        "  hnsw:",
        "    kind: faiss",
        '    factory: "HNSW32"',
        "    build:",
        "      efConstruction: 100",
        "    sweep:",
        "      efSearch: [128]",
    ]


def test_among_what_clipvec_serves() -> None:
    found = advise([CHROMA, HNSW], "text", 0.95, 10, "chroma")
    assert found.choice is not None
    assert found.choice.parameters == {"ef_search": 200}
    assert found.lines == ["hnsw:", "  ef_search: 200"]
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
        assert (found.choice, found.nearest) == (None, None)
