"""Artifacts of datasets and models with the longest allowed names."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec import paths, tracking
from clipvec.config import ChromaConfig, TrackingConfig
from clipvec.tracking import RunSpec, artifacts
from tests.wandb_files import recorded

LONGEST = [paths.collection_name("d" * 64, model * 64) for model in "mn"]


def test_the_longest_names_can_be_tracked(
    offline: TrackingConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "report.html").write_text("<p>")
    index = ChromaConfig(str(tmp_path / "index"))
    spec = RunSpec("recall", f"recall {LONGEST[0]}", str(tmp_path / "store"), {})
    with tracking.start_run(offline, spec) as run:
        for name in LONGEST:
            run.use_artifact(artifacts.store(str(tmp_path / name), name, {"dim": 4}))
            run.use_artifact(artifacts.index(index, name, {"dim": 4}))
        run.log_artifact(artifacts.report(LONGEST[0], tmp_path / "report.html"))
        run.log({"rows": 1}, step=1)
    assert not [record for record in caplog.records if record.name.startswith("clipvec")]
    (found,) = recorded(tmp_path / "store")
    assert found.name == spec.name
    assert [point["rows"] for point in found.history] == [1]
    assert {name[:8] for name in found.artifacts} == {"store-dd", "index-dd", "report-d"}
    assert len(found.artifacts) == 5
    assert {len(name) for name in found.artifacts} == {128}
    assert all(artifacts.store_name(name) in found.artifacts for name in LONGEST)


def test_shorter_names_are_unchanged() -> None:
    assert artifacts.store_name("toys--toy") == "store-toys--toy"
