"""``clipvec dashboard`` as a user runs it, against a local server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Run
from tests.wandb_server import WandbServer

KEY = "0123456789" * 4


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the user who runs the tests, and no network."""
    for name in ("WANDB_API_KEY", "WANDB_ENTITY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WandbServer]:
    with WandbServer().serving() as serving:
        monkeypatch.setenv("WANDB_BASE_URL", serving.url)
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        yield serving


def test_created_and_updated(run: Run, server: WandbServer, tmp_path: Path) -> None:
    done = run("dashboard", "tracking.project=photos")
    ids = list(server.views)
    report = next(i for i, view in server.views.items() if view["type"] == "runs").rstrip("=")
    view, link = (f"{server.url}/me/photos{rest}" for rest in ("?nw=clipvec", "/reports/"))
    assert done.stdout == f"view created: {view}\nreport created: {link}clipvec-photos--{report}\n"
    assert done.stderr == ""
    done = run("dashboard", "tracking.project=photos")
    assert done.stdout == f"view updated: {view}\nreport updated: {link}clipvec-photos--{report}\n"
    assert done.stderr == ""
    assert list(server.views) == ids
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(KEY.encode() in path.read_bytes() for path in written)


def test_dry_run_needs_no_key_and_no_network(run: Run) -> None:
    for mode in ("online", "offline"):
        done = run("dashboard", "dry_run=true", f"tracking={mode}")
        assert done.stdout.startswith("project  (your default entity)/clipvec\n")
        assert "  htmlpage Projection of the images " in done.stdout
        assert done.stderr == ""


def test_failures_are_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("dashboard", "tracking=offline", exit_code=2)
    assert done.stderr == (
        "error: tracking=offline: a dashboard in wandb is made on its server, which "
        "tracking=online allows; --local makes a page without it\n"
    )
    done = run("dashboard", exit_code=2)
    assert done.stderr == "error: no key for wandb; run wandb login, or set WANDB_API_KEY\n"
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    done = run("dashboard", exit_code=1)
    assert done.stderr.startswith("error: http://127.0.0.1:9 cannot be reached (ConnectionError); ")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_server_that_hangs_is_given_up(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{deaf.getsockname()[1]}")
        began = time.monotonic()
        done = run("dashboard", exit_code=1)
    assert time.monotonic() - began < 60  # 8 s, and the start of a process where others run too
    assert "did not answer within 8 s; try again later" in done.stderr
    assert done.stderr.count("\n") == 1
