"""Tracking end to end: the files that jobs and sweeps leave beside the store."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.making import write_tar
from tests.e2e.conftest import Disk, Run
from tests.e2e.test_embed import photo
from tests.waiting import until
from tests.wandb_files import recorded

SECRETS = {"HF_TOKEN": "hf_planted_secret", "WANDB_API_KEY": "0123456789" * 4}


@pytest.fixture(autouse=True)
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The server in wandb's settings: a local port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        for name, value in SECRETS.items():
            monkeypatch.setenv(name, value)
        server.settimeout(0)
        yield server


def two_tars(folder: Path) -> list[str]:
    """Write a dataset of 41 images in two shards, one of them broken; return its options."""
    for name in "ab":
        members = {f"{i:02d}.jpg": photo(i) for i in range(20)}
        members |= {"90.jpg": b"this is text"} if name == "b" else {}
        captions = {f"{i:02d}.txt": f"image {i}".encode() for i in range(20)}
        write_tar(folder / f"{name}.tar", sorted((members | captions).items()))
    return ["dataset=webdataset", f"dataset.path={folder}/*.tar", "sharding.count=2"]


@pytest.fixture
def images(tmp_path: Path) -> list[str]:
    """`two_tars`."""
    return two_tars(tmp_path)


def test_a_job(
    run: Run, tiny: list[str], images: list[str], tmp_path: Path, listening: socket.socket
) -> None:
    tracked = ["tracking=offline", "tracking.log_interval_s=1e-9"]
    options = [*tiny, *images, "batch_size=8", *tracked]
    done = run("embed", *options, "tracking.tags=[mine]")
    assert "tracked in data/store/wandb; to upload: WANDB_RESUME=allow wandb beta" in done.stderr
    assert "wandb:" not in done.stderr
    (found,) = recorded(tmp_path / "data/store")
    assert (found.job_type, found.group) == ("embed", "")
    assert found.tags == ["mine"]
    assert found.name == "embed webdataset--local 0-1"
    assert found.config["batch_size"] == 8
    assert found.config["model"]["name"] == "local"
    assert found.config["device"]["device"] == "cpu"
    assert found.config["fingerprint"]["model"]["dim"] == 64
    points = [p for p in found.history if "images_per_s" in p]
    assert [p["images"] for p in points] == sorted(p["images"] for p in points)
    assert len(points) >= 6
    last = points[-1]
    assert (last["images"], last["rejects"], last["rejects/NotAnImage"]) == (41, 1, 1)
    assert last["batch_fill"] == pytest.approx(40 / 48)
    assert last["bytes_read"] == 2 * sum(len(photo(i)) for i in range(20)) + len(b"this is text")
    stages = ("read", "decode", "encode", "write")
    assert sum(last[f"share/{stage}"] for stage in stages) == pytest.approx(1)
    assert 0 < max(p["cpu_cores"] for p in points) < 64
    rows = found.table("sample_images")
    assert len(rows) == 24
    assert {row["caption"] for row in rows} <= {f"image {i}" for i in range(20)}
    assert all(row["image"].caption == row["caption"] for row in rows)
    store = found.artifacts["store-webdataset--local"]
    assert store.urls[0] == (tmp_path / "data/store/webdataset/local").as_uri()
    assert found.summary["bottleneck"] in stages
    assert found.exit_code == 0
    _no_secret(tmp_path)
    with pytest.raises(BlockingIOError):
        listening.accept()  # nothing was requested

    run("index", *tiny, *images, *tracked)
    index = recorded(tmp_path / "data/store")[-1]
    assert index.job_type == "index"
    assert index.artifacts["store-webdataset--local"].digest == store.digest
    assert index.artifacts["store-webdataset--local"].used
    assert not index.artifacts["index-webdataset--local"].used
    assert (index.history[-1]["rows"], index.summary["rows"]) == (40, 40)
    assert index.history[0]["rows_per_s"] > 0
    assert index.history[0]["memory_bytes"] > 50e6
    assert index.summary["verified"] == "40 of 40 rows found by their own vectors"
    run("embed", *options)
    assert len(recorded(tmp_path / "data/store")) == 2, "nothing to do is nothing to track"


def _no_secret(folder: Path) -> None:
    for file in (f for f in (folder / "data").rglob("*") if f.is_file()):
        data = file.read_bytes()
        assert not [name for name, secret in SECRETS.items() if secret.encode() in data], file


def test_a_preempted_job(
    run: Run, tiny: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPVEC_SWEEP", "embed-1")
    options = [*tiny, "sharding=x1", "batch_size=16", "part_rows=32"]
    options += ["tracking=offline", "tracking.log_interval_s=1e-9"]
    process = subprocess.Popen(
        [sys.executable, "-m", "clipvec.embed", *options],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    part = tmp_path / "data/store/sample/local/shard-00000/part-00002.parquet"
    until(part.exists, by=process, pause=0.002)
    process.terminate()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 143, stderr
    run("embed", *options)
    one, two = recorded(tmp_path / "data/store")
    assert one.id == two.id == "embed-1-0"
    assert one.group == two.group == "embed-1"
    assert (one.exit_code, one.preempted) == (143, True)
    assert one.history[-1]["images"] >= 96
    kept = [p for p in two.history if "images_per_s" in p]
    assert 96 < kept[0]["images"] <= kept[-1]["images"] == 364


def test_a_sweep(
    run: Run, tiny: list[str], images: list[str], tmp_path: Path, listening: socket.socket
) -> None:
    sweep = [
        "-m",
        "launcher=workers",
        "tracking.log_interval_s=1e-9",
        "hydra.sweep.dir=data/sweeps/mine",
    ]
    run("embed", *sweep, *tiny, *images)
    found = {r.id: r for r in recorded(tmp_path / "data/store")}
    assert sorted(found) == ["mine", "mine-0", "mine-1"]
    assert {r.group for r in found.values()} == {"mine"}
    assert found["mine-0"].job_type == found["mine-1"].job_type == "embed"
    whole = found["mine"]
    assert whole.job_type == "sweep"
    assert (whole.config["jobs"], whole.config["shards"]) == (2, 2)
    last = [p for p in whole.history if "sweep/images" in p][-1]
    assert (last["sweep/images"], last["sweep/committed"], last["sweep/jobs/done"]) == (41, 2, 2)
    assert (last["sweep/jobs/failed"], last["sweep/recoveries"]) == (0, 0)
    assert 0 < last["sweep/node_hours"] < 0.1
    assert [(row["job"], row["shards"], row["state"]) for row in whole.table("jobs")] == [
        (0, "0", "done"),
        (1, "1", "done"),
    ]
    one, two = (found[name].artifacts["store-webdataset--local"] for name in ("mine-0", "mine-1"))
    assert one.digest == two.digest
    _no_secret(tmp_path)
    with pytest.raises(BlockingIOError):
        listening.accept()


def test_a_sweep_without_tracking(
    run: Run, tiny: list[str], images: list[str], tmp_path: Path
) -> None:
    run("embed", "-m", "launcher=workers", "tracking=disabled", *tiny, *images, "shards=0")
    assert not (tmp_path / "data/store/wandb").exists()


def test_a_full_disk(
    run: Run, tiny: list[str], images: list[str], tmp_path: Path, small_disk: Disk
) -> None:
    """The store has room, the folder of the runs has none."""
    (small_disk.path / "full").write_bytes(b"x" * 900_000)
    store = tmp_path / "data/store"
    store.mkdir(parents=True)
    (store / "wandb").symlink_to(small_disk.path)
    tracked = ["tracking=offline", "tracking.log_interval_s=1e-9"]
    done = run("embed", *tiny, *images, "batch_size=1", *tracked)
    assert done.stdout.startswith("2 shards: 40 images, 1 reject")
    assert os.statvfs(small_disk.path).f_bavail == 0
