"""Which setting is recommended."""

from __future__ import annotations

import pytest
import yaml

from clipvec import config
from clipvec.bootstrap import Interval
from clipvec.config import Systems
from clipvec.recall.recommend import recommend
from clipvec.recall.results import (
    Kind,
    LatencyResult,
    Parameters,
    RecallResult,
    SearchSetting,
    SystemResult,
)


def setting(
    parameters: Parameters, first: float, qps: float, second: float = 0.9, spread: float = 0.1
) -> SearchSetting:
    halves = [Interval(value, value - 0.02, min(1, value + 0.02)) for value in (first, second)]
    whole = {10: Interval(0.5, 0.4, 0.6)}
    recall = [RecallResult("text", whole, 100, {10: halves[0]}, {10: halves[1]})]
    latency = [
        timed("text", 32, 1, 9 * qps, spread),
        timed("text", 1, 1, qps, spread),
        timed("text", 1, 8, 5 * qps, spread),
        timed("image", 1, 1, 99_999, spread),
    ]
    return SearchSetting(parameters, recall, latency)


def timed(kind: Kind, batch: int, clients: int, qps: float, spread: float) -> LatencyResult:
    rounds = (qps, qps * (1 - spread), qps * (1 + spread), 300)
    return LatencyResult(kind, batch, clients, *rounds, 1, 1, 1)


CHROMA = SystemResult(
    "live",
    "chroma",
    "HNSW",
    settings=[setting({"ef_search": 100}, 0.93, 500), setting({"ef_search": 200}, 0.97, 300, 0.96)],
)
HNSW = SystemResult(
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
SKIPPED = SystemResult("huge", "faiss", "Flat", skipped="too little memory")


def test_the_fastest_that_meets_the_target_on_the_first_half() -> None:
    found = recommend([CHROMA, HNSW, SKIPPED], "text", 0.95, 10)
    assert found.choice is not None
    assert (found.choice.system, found.choice.parameters) == ("hnsw", {"efSearch": 128})
    assert (found.choice.qps, found.choice.qps_low) == (2000, 1800)
    assert found.choice.qps_high == pytest.approx(2200)
    assert found.choice.selection == Interval(0.951, 0.951 - 0.02, 0.951 + 0.02)
    assert found.choice.validation.value == 0.94
    assert found.nearest is None
    assert found.num_settings == 5
    assert found.config == (
        "# clipvec recall, in a file of conf/experiment (not served by clipvec):\n"
        "systems:\n"
        "  hnsw:\n"
        "    kind: faiss\n"
        "    factory: HNSW32\n"
        "    build: {efConstruction: 100}\n"
        "    train_rows: 5000\n"
        "    sweep:\n"
        "      efSearch: [128]\n"
    )
    # what is to be pasted is read as the same index again
    pasted = config.from_dict(yaml.safe_load(found.config)["systems"], Systems)  # type: ignore[arg-type]
    assert pasted["hnsw"].build == HNSW.build_parameters


def test_among_what_clipvec_serves() -> None:
    found = recommend([CHROMA, HNSW], "text", 0.95, 10, "served")
    assert found.choice is not None
    assert found.choice.parameters == {"ef_search": 200}
    assert found.config == (
        "# clipvec index, as hnsw.ef_search=... or in a file of conf/experiment:\n"
        "hnsw: {ef_search: 200}\n"
    )
    assert found.among == "served"


def test_nothing_meets_the_target() -> None:
    found = recommend([CHROMA, HNSW], "text", 0.995, 10)
    assert found.choice is None
    assert found.config == ""
    assert found.nearest is not None
    assert found.nearest.parameters == {"efSearch": 256}


def test_nothing_was_measured() -> None:
    for kind, k in (("image", 10), ("text", 100)):
        found = recommend([CHROMA, SKIPPED], kind, 0.9, k)  # type: ignore[arg-type]
        assert (found.choice, found.nearest, found.num_settings) == (None, None, 0)


def test_one_query_is_measured_but_not_chosen_on() -> None:
    one = setting({}, 1.0, 100)
    recall = [RecallResult("text", one.recall[0].recall_at, 1)]
    alone = SystemResult("flat", "faiss", "Flat", settings=[SearchSetting({}, recall, one.latency)])
    found = recommend([alone], "text", 0.9, 10)
    assert (found.choice, found.nearest, found.num_settings) == (None, None, 1)


@pytest.mark.parametrize(
    ("spread", "chosen"),
    [(0.01, 1), (0.1, 2), (0.3, 3)],
    ids=["apart", "two overlap", "all overlap"],
)
def test_a_tie_of_speeds_goes_to_the_higher_recall(spread: float, chosen: int) -> None:
    """Settings below the target are not considered, however fast."""
    settings = [
        setting({"ef": 0}, 0.90, 9000, spread=spread),
        setting({"ef": 1}, 0.96, 1000, spread=spread),
        setting({"ef": 2}, 0.97, 900, spread=spread),
        setting({"ef": 3}, 0.99, 600, spread=spread),
    ]
    system = SystemResult("hnsw", "faiss", "HNSW32", settings=settings)
    found = recommend([system], "text", 0.95, 10)
    assert found.choice is not None
    assert found.choice.parameters == {"ef": chosen}
