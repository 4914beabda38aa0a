"""Applying a recommendation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from clipvec import config
from clipvec.bootstrap import Interval
from clipvec.config import ChromaConfig, FaissConfig, RecallConfig
from clipvec.errors import ClipvecError, ConfigError
from clipvec.index import open_index
from clipvec.index.build import build_index
from clipvec.paths import CONF_DIR
from clipvec.recall.apply_params import apply
from clipvec.recall.results import Report, SystemResult
from clipvec.recall.run import RecallSummary, benchmark
from tests.index.conftest import build_config
from tests.reports import recommendation, report
from tests.stores import make_store


@pytest.fixture
def asked(tmp_path: Path) -> RecallConfig:
    """To apply a recommendation to a real collection."""
    index = ChromaConfig(path=str(tmp_path / "index"))
    make_store(tmp_path, {0: [20]})
    build_index(build_config(tmp_path, index))
    options = ["dataset.name=toys", "model.name=toy", f"index.path={index.path}", "apply=true"]
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        return config.read(compose("recall", overrides=options), RecallConfig)


def validated(low: float, value: float, high: float) -> Report:
    """With a recommendation of such a validation."""
    choice = recommendation().choice
    assert choice is not None
    choice = replace(choice, parameters={"ef_search": 33}, validation=Interval(value, low, high))
    chroma = replace(recommendation(), among="served", choice=choice)
    return report(recommendations=[chroma])


def ef_search(asked: RecallConfig) -> int:
    with open_index(asked.index, "toys--toy") as collection:
        return int(collection.settings["ef_search"])


def test_applied_with_its_uncertainty(asked: RecallConfig) -> None:
    said = apply(asked, validated(0.94, 0.955, 0.97)).splitlines()
    assert ef_search(asked) == 33
    assert said[0].startswith("applied: toys--toy now searches with ef_search=33. Selected on one ")
    assert said[0].endswith("reaches below the target: the next wider setting is safer.")
    assert said[1] == ("from now on give clipvec index hnsw.ef_search=33, or it sets its own again")


def test_applied_to_an_index_on_disk(asked: RecallConfig, tmp_path: Path) -> None:
    index = FaissConfig(str(tmp_path / "disk"), factory="IVF2,RaBitQ")
    build_index(build_config(tmp_path, index))
    found = validated(0.94, 0.955, 0.97)
    (served,) = found.recommendations
    assert served.choice is not None
    choice = replace(served.choice, parameters={"nprobe": 2, "candidates": 50})
    found = replace(found, recommendations=[replace(served, choice=choice)])
    said = apply(replace(asked, index=index), found)
    assert said.startswith("applied: toys--toy now searches with nprobe=2, candidates=50. ")
    with open_index(index, "toys--toy") as opened:
        assert (opened.settings["nprobe"], opened.settings["candidates"]) == (2, 50)


def test_a_contradicted_choice_is_not_applied(asked: RecallConfig) -> None:
    with pytest.raises(
        ConfigError, match=r"ef_search=33 .* contradict it \(recall 0.920, 95 % CI 0.900 to 0.940"
    ):
        apply(asked, validated(0.90, 0.92, 0.94))
    assert ef_search(asked) == 100


def test_a_report_of_only_skipped_systems_is_a_failure() -> None:
    refused = SystemResult("flat", "faiss", "Flat", skipped="too little memory")
    for systems, fine in (([refused, *report().systems], True), ([refused] * 2, False)):
        found = RecallSummary(report(systems=systems), Path("report.html"))
        if fine:
            found.check()
            continue
        with pytest.raises(ClipvecError, match=r"none of 2 .* flat: too little memory") as caught:
            found.check()
        assert caught.value.exit_code == 1


def test_a_work_dir_that_cannot_be_written(asked: RecallConfig, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    options = replace(asked, apply=False, work_dir=f"{tmp_path}/file/work")
    with pytest.raises(ClipvecError, match=r"^work_dir .*/file/work cannot be written: Not a dir"):
        benchmark(replace(options, store=replace(options.store, root=str(tmp_path))))
