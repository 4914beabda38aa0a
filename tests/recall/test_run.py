"""What is done with an advice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from clipvec import config
from clipvec.config import EmbeddedIndexConfig, RecallConfig
from clipvec.errors import ClipvecError, ConfigError
from clipvec.index import Collection
from clipvec.index.build import build_index
from clipvec.paths import CONF_DIR
from clipvec.recall.results import Contestant, Interval
from clipvec.recall.run import RecallSummary, apply
from tests.index.conftest import build_config
from tests.reports import advice, report
from tests.stores import make_store


@pytest.fixture
def asked(tmp_path: Path) -> RecallConfig:
    """To apply the advice to a real collection."""
    index = EmbeddedIndexConfig(kind="chroma", path=str(tmp_path / "index"))
    make_store(tmp_path, {0: [20]})
    build_index(build_config(tmp_path, index))
    options = ["dataset.name=toys", "model.name=toy", f"index.path={index.path}", "apply=true"]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return config.read(compose("recall", overrides=options), RecallConfig)


def summary(low: float, value: float, high: float) -> RecallSummary:
    """Of an advice that was confirmed so."""
    choice = advice().choice
    assert choice is not None
    choice = replace(choice, parameters={"ef_search": 33}, confirmed=Interval(value, low, high))
    chroma = replace(advice(), among="chroma", choice=choice)
    return RecallSummary(report(advice=[chroma]), Path("report.html"))


def ef_search(asked: RecallConfig) -> int:
    with Collection.open(asked.index, "toys--toy") as collection:
        return int(collection.hnsw["ef_search"])


def test_applied_with_how_sure_it_is(asked: RecallConfig) -> None:
    said = apply(asked, summary(0.94, 0.955, 0.97)).splitlines()
    assert ef_search(asked) == 33
    assert said[0].startswith("applied: toys--toy searches with ef_search=33 now. Chosen on one ")
    assert said[0].endswith("reaches below the target: the next wider setting is safer.")
    assert said[1] == ("from now on give clipvec.index hnsw.ef_search=33, or it sets its own again")


def test_a_contradicted_choice_is_not_applied(asked: RecallConfig) -> None:
    with pytest.raises(ConfigError, match=r"ef_search=33 .* contradict it \(recall 0.900 to 0.940"):
        apply(asked, summary(0.90, 0.92, 0.94))
    assert ef_search(asked) == 100


def test_a_report_of_refusals_is_no_success() -> None:
    refused = Contestant("flat", "faiss", "Flat", refused="too little memory")
    for contestants, fine in (([refused, *report().contestants], True), ([refused] * 2, False)):
        found = RecallSummary(report(contestants=contestants), Path("report.html"))
        if fine:
            found.check()
            continue
        with pytest.raises(ClipvecError, match=r"none of 2 .* flat: too little memory") as caught:
            found.check()
        assert caught.value.exit_code == 1
