"""What clipvec wrote beside the images is no part of a dataset."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import fsspec
import pytest

from clipvec.data.own_folders import outermost, own_folders
from tests.data.making import encode, ids
from tests.data.test_folder import read

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITTEN = [
    "data/index/live.lock",
    "data/index/live.alias.json",
    "data/runs/embed/2026-11-30/.hydra/config.yaml",
    "data/runs/embed/2026-11-30/embed.log",
    "data/sweeps/embed-1/sweep.json",
    "data/sweeps/embed-1/ids.jsonl",
    "data/sweeps/embed-1/jobs/00000.log",
    "data/recall/p--sample/lock",
    "data/recall/p--sample/workload/filters.json",
    "data/recall/p--sample/workload/text.npz",
    "data/reports/p--sample-1/report.json",
    "data/reports/p--sample-1/report.schema.json",
    "data/reports/p--sample-1/figures/curve.png",
    "data/reports/compared/report.html",
    "data/reports/compared/report.md",
    "data/reports/compared/figures/curve.png",
    "data/store/wandb/offline-run-20261130_1-1/run-1.wandb",
    "data/store/wandb/offline-run-20261130_1-1/files/media/images/1.png",
]
OWN = [
    "data/index",
    "data/recall/p--sample",
    "data/reports/compared/figures",
    "data/reports/p--sample-1/figures",
    "data/runs/embed/2026-11-30",
    "data/store/sample/sample",
    "data/store/wandb/offline-run-20261130_1-1",
    "data/sweeps/embed-1",
]
LIKE = [
    "outputs/1/.hydra/config.yaml",
    "outputs/1/drawn.png",
    "shared/a--b.lock",
    "shared/a--b/x.png",
    "shared/y.png",
    "store.json",
    "store.png",
    "things/cat/1.png",
    "things/lock/1.png",
    "things/workload/1.png",
    "visited/report.json",
    "visited/report.schema.json",
    "visited/a.png",
    "figures/a.png",
    "weights/x.wandb",
    "weights/a.png",
    "run-1/a.png",
    "logs/.hydra/1.png",
    "logs/a.log/1.png",
    "a--b/index.json",
    "a--b/a.png",
]
"""What somebody else's folders may have."""


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode())


@pytest.mark.parametrize("hidden", [True, False])
def test_what_clipvec_wrote_is_passed_over(
    sample: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, hidden: bool
) -> None:
    shutil.copytree(sample, tmp_path / "photos", ignore=shutil.ignore_patterns("runs"))
    write(tmp_path / "photos", "a.png", "data/b.png", *WRITTEN)
    files = [file for file in (tmp_path / "photos").rglob("*") if file.is_file()]
    names = {file.relative_to(tmp_path / "photos").as_posix() for file in files}
    assert sorted(own_folders(names)) == OWN
    options = {} if hidden else {"exclude": []}
    bucket = fsspec.filesystem("memory")
    bucket.put(f"{tmp_path}/photos/", "/own/", recursive=True)
    try:
        with caplog.at_level("INFO"):
            for place in (tmp_path / "photos", "memory://own"):
                assert ids(list(read(place, **options).records(0, 1))) == ["a.png", "data/b.png"]
    finally:
        bucket.rm("/own", recursive=True)
    said = f"folders that clipvec, Hydra or wandb wrote ({len(OWN)}, such as data/"
    assert [said in message for message in caplog.messages] == [True, True]


@pytest.mark.parametrize("follow_links", [True, False])
def test_the_link_to_the_latest_run_is_passed_over_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, follow_links: bool
) -> None:
    write(tmp_path, "a.png", *WRITTEN)
    runs = tmp_path / "data/store/wandb"
    (runs / "latest-run").symlink_to(runs / "offline-run-20261130_1-1")
    with caplog.at_level("INFO"):
        dataset = read(tmp_path, follow_links=follow_links)
    assert ids(list(dataset.records(0, 1))) == ["a.png"]
    assert ["links" in message for message in caplog.messages] == [False]


def test_folders_of_others_are_walked(tmp_path: Path) -> None:
    write(tmp_path, *LIKE)
    images = sorted(name for name in LIKE if name.endswith(".png"))
    assert ids(list(read(tmp_path, exclude=[]).records(0, 1))) == images
    assert own_folders(LIKE) == set()


def test_no_file_is_compared_with_all_folders() -> None:
    """A bucket may hold thousands of them, and millions of files."""

    class Counted(set[str]):
        asked = 0

        def __contains__(self, folder: object) -> bool:
            self.asked += 1
            return super().__contains__(folder)

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("all are gone through")

    own = Counted({"a/own", "a/own/b/own", *(f"other/{n}" for n in range(3000))})
    assert outermost("a/own/b/own/c.png", own) == "a/own"
    assert outermost("a/owned/c.png", own) == ""
    assert own.asked <= 4


def test_a_folder_that_was_asked_for_is_read(tmp_path: Path) -> None:
    write(tmp_path, *WRITTEN)
    report = tmp_path / "data/reports/p--sample-1"
    assert ids(list(read(report).records(0, 1))) == ["figures/curve.png"]
