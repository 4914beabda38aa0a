"""Uploads to local servers that answer, hang, or are down."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from clipvec import tracking
from clipvec.config import TrackingConfig
from clipvec.tracking import Run, RunSpec, upload, wandb_sdk
from clipvec.tracking.run import Artifact
from tests.wandb_files import recorded
from tests.wandb_server import Refused, WandbServer

ONLINE = TrackingConfig(mode="online", log_interval_s=0.001)


OTHERS: set[psutil.Process] = set()
"""Processes of other tests, such as servers."""


@pytest.fixture(autouse=True)
def others() -> None:
    OTHERS.clear()
    OTHERS.update(psutil.Process().children(recursive=True))


def uploads() -> list[psutil.Process]:
    """Return the processes that upload on behalf of this one."""
    return [p for p in psutil.Process().children(recursive=True) if p not in OTHERS]


def test_online(
    server: WandbServer,
    job: RunSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('that of the current folder')")
    monkeypatch.chdir(tmp_path)
    caplog.set_level("INFO", "clipvec")
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("CLIPVEC_SWEEP", "embed-1")
    with tracking.start_run(ONLINE, job) as run:
        for step in (8, 16, 24):
            run.log({"images": step}, step=step)
        run.use_artifact(Artifact("store", "store-toys", "s3://bucket/store", {"dim": 4}))
    assert [p["images"] for p in server.history["embed-1-0-9_20"]] == [8, 16, 24]
    assert server.groups == {"embed-1-0-9_20": "embed-1"}
    assert server.artifacts == ["store-toys"]
    assert "UseArtifact" in server.operations
    assert f"tracked: {server.url}/me/clipvec/runs/embed-1-0-9_20" in caplog.messages
    assert uploads() == []


def test_a_long_run_that_fills_no_block(
    server: WandbServer, job: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("CLIPVEC_SWEEP", "embed-1")
    clock = time.monotonic
    with tracking.start_run(ONLINE, job) as run:
        run.log({"images": 8}, step=8)
        monkeypatch.setattr(upload.time, "monotonic", lambda: clock() + 60)  # a minute passes
    assert [p["images"] for p in server.history["embed-1-0-9_20"]] == [8]


def sync(root: Path, server: WandbServer) -> None:
    """Run the command in docs/tracking.md."""
    subprocess.run(
        [sys.executable, "-m", "wandb", "beta", "sync", "wandb"],
        cwd=root,
        env=os.environ | {"WANDB_RESUME": "allow", "WANDB_BASE_URL": server.url},
        check=True,
        timeout=60,
        capture_output=True,
    )


def test_a_preempted_job_resumes_its_run(
    server: WandbServer, job: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPVEC_SWEEP", "embed-1")
    for steps in ((8, 16), (24, 32, 40)):
        with tracking.start_run(TrackingConfig(mode="offline"), job) as run:
            for step in steps:
                run.log({"images": step}, step=step)
    one, two = recorded(tmp_path / "store")
    assert one.id == two.id == "embed-1-0-9_20"
    sync(tmp_path / "store", server)
    points = server.history["embed-1-0-9_20"]
    assert [(p["_step"], p["images"]) for p in points] == [(s, s) for s in (8, 16, 24, 32, 40)]
    before = list(server.operations)
    sync(tmp_path / "store", server)
    assert server.operations == before, "what is uploaded is uploaded again"


def test_a_server_that_hangs(
    deaf: socket.socket,
    job: RunSpec,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "clipvec")
    monkeypatch.setattr(upload, "FIRST_SECONDS", 0.0)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
    run = tracking.start_run(ONLINE, job)
    with deaf.accept()[0]:  # it receives a request
        _not_taken(run, job, caplog)


def test_a_server_that_is_down(
    job: RunSpec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "clipvec")
    monkeypatch.setattr(upload, "FIRST_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{port}")
    _not_taken(tracking.start_run(ONLINE, job), job, caplog)


@pytest.mark.parametrize("status", [403, 429, 507])
def test_a_server_that_is_full(
    server: WandbServer,
    job: RunSpec,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    caplog.set_level("INFO", "clipvec")
    monkeypatch.setattr(upload, "FIRST_SECONDS", 0.0)
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    server.refusal = Refused("the storage limit is reached", status)
    _not_taken(tracking.start_run(ONLINE, job), job, caplog)


def _not_taken(run: Run, job: RunSpec, caplog: pytest.LogCaptureFixture) -> None:
    """Track a run that no server accepts: nothing waits, and nothing is lost."""
    began = time.monotonic()
    for step in range(1000):
        run.log({"images": step}, step=step)
    run.finish()
    assert time.monotonic() - began < 5
    (said,) = [m for m in caplog.messages if m.startswith("tracked in ")]
    assert "; upload incomplete; to upload: WANDB_RESUME=allow wandb beta sync " in said
    (found,) = recorded(Path(job.root))
    assert [p["images"] for p in found.history] == list(range(1000))
    assert uploads() == []


def test_no_key(
    job: RunSpec, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with tracking.start_run(ONLINE, job) as run:
        run.log({"images": 1}, step=1)
        assert not any("clipvec.tracking.upload" in p.cmdline() for p in uploads())
    assert caplog.messages[0] == (
        "tracking=online: no key for wandb; run wandb login, or set WANDB_API_KEY. "
        "The run continues offline and can be uploaded later"
    )
    (found,) = recorded(Path(job.root))
    assert [p["images"] for p in found.history] == [1]


def test_a_key_that_wandb_login_stored(
    job: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert not wandb_sdk.has_credentials()
    (tmp_path / "netrc").write_text("machine 127.0.0.1:9\n login user\n password " + "a" * 40)
    assert wandb_sdk.has_credentials()


def test_the_upload_ends_with_a_job_that_is_killed(deaf: socket.socket, tmp_path: Path) -> None:
    code = (
        "from clipvec import tracking, config\n"
        f"job = tracking.RunSpec('embed', 'x', {str(tmp_path)!r}, {{}})\n"
        "run = tracking.start_run(config.TrackingConfig(mode='online'), job)\n"
        "print('started', flush=True)\n"
        "input()"
    )
    url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"WANDB_BASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        deaf.accept()[0].close()  # the upload is running
        left = psutil.Process(process.pid).children(recursive=True)
        assert len(left) >= 3
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(left, timeout=30)
    assert alive == []
