"""What clipvec wrote beside the images is no part of a dataset."""

from __future__ import annotations

import shutil
from pathlib import Path

import fsspec
import pytest

from clipvec.data.own_folders import own_folders
from tests.data.making import encode, ids
from tests.data.test_folder import read

WRITTEN = [
    "data/index/live.lock",
    "data/index/live.alias.json",
    "data/runs/embed/2026-11-30/.hydra/config.yaml",
    "data/runs/embed/2026-11-30/embed.log",
    "data/sweeps/embed-1/sweep.json",
    "data/sweeps/embed-1/ids.jsonl",
    "data/sweeps/embed-1/jobs/00000.log",
    "data/recall/p--sample/lock",
    "data/recall/p--sample/workload/text.npz",
    "data/reports/p--sample-1/report.json",
    "data/reports/p--sample-1/report.schema.json",
    "data/reports/p--sample-1/figures/curve.png",
    "data/store/wandb/offline-run-1/run-1.wandb",
    "data/store/wandb/offline-run-1/files/media/images/1.png",
]
LIKE = [
    "outputs/1/.hydra/config.yaml",
    "outputs/1/drawn.png",
    "shared/a--b.lock",
    "shared/a--b/x.png",
    "shared/y.png",
    "store.json",
    "store.png",
]
"""What somebody else's folders may have."""


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode())


@pytest.mark.parametrize("hidden", [True, False])
def test_what_clipvec_wrote_is_passed_over_in_silence(
    sample: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, hidden: bool
) -> None:
    shutil.copytree(sample, tmp_path / "photos")
    write(tmp_path / "photos", "a.png", "data/b.png", *WRITTEN)
    options = {} if hidden else {"exclude": []}
    bucket = fsspec.filesystem("memory")
    bucket.put(f"{tmp_path}/photos/", "/own/", recursive=True)
    try:
        with caplog.at_level("INFO"):
            for place in (tmp_path / "photos", "memory://own"):
                assert ids(list(read(place, **options).records(0, 1))) == ["a.png", "data/b.png"]
    finally:
        bucket.rm("/own", recursive=True)
    assert caplog.messages == []


def test_folders_of_others_are_walked(tmp_path: Path) -> None:
    write(tmp_path, *LIKE)
    images = ["outputs/1/drawn.png", "shared/a--b/x.png", "shared/y.png", "store.png"]
    assert ids(list(read(tmp_path).records(0, 1))) == images
    assert own_folders(LIKE) == set()


def test_a_folder_that_was_asked_for_is_read(tmp_path: Path) -> None:
    write(tmp_path, *WRITTEN)
    report = tmp_path / "data/reports/p--sample-1"
    assert ids(list(read(report).records(0, 1))) == ["figures/curve.png"]
