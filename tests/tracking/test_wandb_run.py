"""Everything logged to a run is in its files."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

from clipvec import locations, tracking
from clipvec.config import TrackingConfig
from clipvec.errors import Interrupted, TooManyRejects
from clipvec.tracking import ImageCell, LineChart, RunSpec, Table
from clipvec.tracking.reader import read_runs, records
from clipvec.tracking.run import Artifact, NoopRun
from tests.tracking.conftest import SECRETS
from tests.wandb_files import recorded


def test_everything_logged_is_in_the_files(
    offline: TrackingConfig, job: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPVEC_SWEEP", "embed-1")
    monkeypatch.setenv("WANDB_DATA_DIR", "before")
    jpeg = io.BytesIO()
    Image.new("RGB", (64, 48), (9, 200, 3)).save(jpeg, "JPEG")
    (tmp_path / "report.html").write_text("<p>")
    with tracking.start_run(offline, job) as run:
        run.log({"images": 8, "images_per_s": 4.5}, step=8)
        run.log({"images": 16, "images_per_s": 6.0}, step=16)
        run.log_table(
            "sample_images", Table(["image", "id"], [[ImageCell(jpeg.getvalue(), "green"), "7"]])
        )
        run.log_chart(
            "pareto", LineChart("Pareto", "recall", {"flat": [(1, 9)], "hnsw": [(0.5, 90)]})
        )
        run.use_artifact(Artifact("store", "store-toys", "s3://bucket/store", {"dim": 4}))
        run.log_artifact(Artifact("report", "report-toys", files=[tmp_path / "report.html"]))
        run.update_summary({"bottleneck": "encode", "advice": {"ef": 16}})
    (found,) = recorded(tmp_path / "store")
    assert (found.id, found.group) == ("embed-1-0-9_20", "embed-1")
    assert (found.project, found.job_type) == ("clipvec", "embed")
    assert found.tags == ["a tag"]
    (file,) = found.folders[0].glob("*.wandb")
    assert {r.run.host for r in records(file)} == {""}
    assert {k: v for k, v in found.config.items() if k != "_wandb"} == {
        "batch_size": 8,
        "sweep": "embed-1",
    }
    points = [(p["_step"], p["images_per_s"]) for p in found.history if "images_per_s" in p]
    assert points == [(8, 4.5), (16, 6.0)]
    (row,) = found.table("sample_images")
    assert (row["id"], row["image"].caption) == ("7", "green")
    (drawn,) = [p["pareto_table"] for p in found.history if "pareto_table" in p]
    assert drawn["nrows"] == 2
    assert "pareto" in found.config["_wandb"]["visualize"]
    store = found.artifacts["store-toys"]
    assert (store.kind, store.used, store.urls) == ("store", True, ["s3://bucket/store"])
    assert json.loads(store.files["store.json"].read_text()) == {"dim": 4}
    report = found.artifacts["report-toys"]
    assert not report.used
    assert report.files["report.html"].read_text() == "<p>"
    assert found.summary["bottleneck"] == "encode"
    assert found.summary["advice"] == {"ef": 16}
    assert found.exit_code == 0
    assert os.environ["WANDB_DATA_DIR"] == "before"
    # Everything the upload needs is in the run's own folder.
    files = [file for made in found.artifacts.values() for file in made.files.values()]
    assert files
    assert all(file.is_relative_to(found.folders[0]) for file in files)


def test_it_is_quiet_and_keeps_secrets(
    offline: TrackingConfig, job: RunSpec, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with tracking.start_run(offline, job) as run:
        print("a line of the work's own")
        run.log({"images": 1}, step=1)
    assert tuple(capfd.readouterr()) == ("a line of the work's own\n", "")
    files = [file for file in (tmp_path / "store").rglob("*") if file.is_file()]
    assert len(files) >= 3
    for file in files:
        data = file.read_bytes()
        assert b"a line of the work's own" not in data
        for secret in SECRETS.values():
            assert secret.encode() not in data, file


def test_equal_artifacts_are_one_version(offline: TrackingConfig, tmp_path: Path) -> None:
    """A store logged by a job is the one used by an index."""
    store = Artifact("store", "store-toys", str(tmp_path / "toys"), {"dim": 4})
    for name in ("embed", "index"):
        with tracking.start_run(offline, RunSpec(name, name, str(tmp_path / "store"), {})) as run:
            run.log_artifact(store)
    one, two = recorded(tmp_path / "store")
    assert one.id != two.id
    assert one.artifacts["store-toys"].digest == two.artifacts["store-toys"].digest


@pytest.mark.parametrize(
    ("error", "exit_code", "preempted"),
    [
        (TooManyRejects("too many"), 3, False),
        (Interrupted(15, "stopped"), 143, True),
        (ZeroDivisionError("x"), 1, False),
    ],
)
def test_a_run_that_fails(
    offline: TrackingConfig, job: RunSpec, tmp_path: Path, error: Exception, exit_code: int,
    preempted: bool
) -> None:  # fmt: skip
    with pytest.raises(type(error)), tracking.start_run(offline, job):
        raise error
    (found,) = recorded(tmp_path / "store")
    assert (found.exit_code, found.preempted) == (exit_code, preempted)


def test_points_are_logged_at_a_bounded_rate(job: RunSpec) -> None:
    with tracking.start_run(TrackingConfig(mode="offline", log_interval_s=3600), job) as run:
        assert not any(run.should_log() for _ in range(1000))
    with tracking.start_run(TrackingConfig(mode="offline", log_interval_s=1e-9), job) as run:
        assert run.should_log()


def test_errors_of_wandb_do_not_stop_the_work(
    offline: TrackingConfig, job: RunSpec, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tracking.start_run(offline, job) as run:
        run.log({"images": 1}, step=1)
        run.log_table("broken", Table(["a", "b"], [[1]]))
        run.log({"images": 2}, step=2)
    (said,) = [r.message for r in caplog.records if "tracking stopped" in r.message]
    assert said.startswith("tracking stopped, the work continues: ")


def test_wandb_is_killed(tmp_path: Path) -> None:
    """In its own process, to see how it exits."""
    code = (
        "import logging, psutil\n"
        "from clipvec import tracking, config\n"
        "logging.basicConfig(format='%(message)s')\n"
        f"job = tracking.RunSpec('embed', 'x', {str(tmp_path)!r}, {{}})\n"
        "offline = config.TrackingConfig(mode='offline')\n"
        "with tracking.start_run(offline, job) as run:\n"
        "    for process in psutil.Process().children(recursive=True):\n"
        "        process.kill()\n"
        "        process.wait(10)\n"
        "    for step in range(3):\n"
        "        run.log({'images': step}, step=step)\n"
        "with tracking.start_run(offline, job) as run:\n"
        "    print(run.tracked)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("tracking stopped, the work continues: ")


def test_an_impossible_location(
    offline: TrackingConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "store").write_text("a file")
    run = tracking.start_run(offline, RunSpec("embed", "x", str(tmp_path / "store"), {}))
    assert isinstance(run, NoopRun)
    assert "tracking is off: wandb failed to start (" in caplog.text


def test_beside_a_store_in_an_object_store(
    offline: TrackingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with tracking.start_run(offline, RunSpec("embed", "x", "memory://bucket/store", {})) as run:
        run.log({"images": 1}, step=1)
        run.log_artifact(Artifact("store", "store-x", "", {"dim": 4}))
    (here,) = recorded(locations.mirror("memory://bucket/store"))
    (folder,) = here.folders
    base = f"/bucket/store/wandb/{folder.name}"
    there = MemoryFileSystem()
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert sorted(there.find(base)) == sorted(f"{base}/{f.relative_to(folder)}" for f in files)
    run_file = f"run-{here.id}.wandb"
    assert there.cat(f"{base}/{run_file}") == (folder / run_file).read_bytes()

    shutil.rmtree(folder.parent)  # as on any other machine
    (brought,) = read_runs("memory://bucket/store")
    assert (brought.id, brought.history[-1]["images"]) == (here.id, 1)
    assert json.loads(brought.artifacts["store-x"].files["store.json"].read_text()) == {"dim": 4}
