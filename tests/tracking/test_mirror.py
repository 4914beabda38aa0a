from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from clipvec import tracking
from clipvec.config import TrackingConfig
from clipvec.tracking import RunSpec, Table
from clipvec.tracking.mirror import RunsFolder
from clipvec.tracking.wandb_run import WandbRun

ROOT = "memory://tracked/store"


@pytest.fixture(autouse=True)
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> fsspec.AbstractFileSystem:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files = fsspec.filesystem("memory")
    yield files
    files.rm("/tracked", recursive=True)


def test_an_incomplete_run_is_not_downloaded(bucket: fsspec.AbstractFileSystem) -> None:
    run = "/tracked/store/wandb/offline-run-1-a"
    bucket.pipe(f"{run}/files/media/image.jpg", b"an image")
    folder = RunsFolder(ROOT)
    folder.download()
    here = folder.path / "wandb/offline-run-1-a"
    assert not here.exists()
    bucket.pipe(f"{run}/run-a.wandb", b"the run")
    folder.download()
    assert (here / "run-a.wandb").read_bytes() == b"the run"
    assert (here / "files/media/image.jpg").is_file()


def test_a_failed_run_is_uploaded_too(
    bucket: fsspec.AbstractFileSystem, job: RunSpec, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "clipvec")
    with tracking.start_run(TrackingConfig(mode="offline"), replace(job, root=ROOT)) as run:
        assert isinstance(run, WandbRun)
        run.log({"images": 8}, step=8)
        run.log_table("odd", Table(["one"], [["of", "two"]]))
    assert "tracking stopped, the work continues: " in caplog.text
    kept = bucket.glob(f"/tracked/store/wandb/{run.folder.name}/*.wandb")
    assert [bucket.size(file) for file in kept] == [next(run.folder.glob("*.wandb")).stat().st_size]
    mirror = RunsFolder(ROOT).path / "wandb"
    assert caplog.messages[-1] == (
        f"tracked in {ROOT}/wandb; to upload: clipvec dashboard --local "
        f"store.root={ROOT} && WANDB_RESUME=allow wandb beta sync {mirror}"
    )
