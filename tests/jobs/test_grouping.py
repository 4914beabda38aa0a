"""``hydra.sweeper.shards_per_job=auto``."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clipvec.config import SkyLauncher
from clipvec.errors import ConfigError
from clipvec.jobs.grouping import group_shards
from clipvec.jobs.plan import Job

CLOUD = {"name": "aws", "resources": {"infra": "aws", "accelerators": {"L4": 1}}}


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """A hundred shards of 20,000 images; where nobody has price lists or a ``.env``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SKY_RUNTIME_DIR", raising=False)
    store = str(tmp_path / "store")
    return Job(0, (), tuple(range(100)), store, CLOUD, images=2_000_000, arch="ViT-L-14")


def test_jobs_are_long_enough(job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "clipvec")
    groups = group_shards(job, SkyLauncher(), tmp_path)
    assert [len(group) for group in groups] == [17, 17, 17, 17, 16, 16]
    assert [shard for group in groups for shard in group] == list(range(100))
    assert caplog.messages == [
        "hydra.sweeper.shards_per_job=auto: 6 jobs of 17 shards, 19% of the time starting, for "
        "20,000 images a shard on L4 (252.0 images/s, 5 min 17 s from start to image: public "
        "figures)"
    ]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"images": None},
            "the number of images is not known; about how many there are: "
            "dataset.num_images=N; or give a number of shards",
        ),
        (
            {"arch": "sample"},
            "the speed of model.arch=sample on L4 is not known; give a number of shards, or run a "
            "sweep with launcher.first=1 to measure it",
        ),
        (
            {"cloud": {"name": "aws", "resources": {}}},
            "the speed of model.arch=ViT-L-14 on these machines is not known; give a number of "
            "shards, or run a sweep with launcher.first=1 to measure it",
        ),
    ],
)
def test_what_is_missing(job: Job, tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        group_shards(replace(job, **changed), SkyLauncher(), tmp_path)
    assert str(caught.value) == f"hydra.sweeper.shards_per_job=auto: {said}"


def test_all_gpus_of_a_machine_have_shards(
    job: Job, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A machine with 4 starts no faster, so that its jobs are 4 times as large."""
    caplog.set_level(logging.INFO, "clipvec")
    cloud = {"name": "aws", "resources": {"infra": "aws", "accelerators": {"L4": 4}}}
    small = replace(job, cloud=cloud, images=8_000_000)
    groups = group_shards(small, SkyLauncher(), tmp_path)
    assert [len(group) for group in groups] == [20, 16, 16, 16, 16, 16]
    assert caplog.messages == [
        "hydra.sweeper.shards_per_job=auto: 6 jobs of 20 shards, 19% of the time starting, for "
        "80,000 images a shard on L4:4 (252.0 images/s on each of 4 GPUs, 5 min 17 s from start to "
        "image: public figures)"
    ]
