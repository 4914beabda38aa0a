"""Runs in separate folders, with planted secrets that must not leak anywhere."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

from clipvec.config import TrackingConfig
from clipvec.tracking import RunSpec
from tests.wandb_server import WandbServer

SECRETS = {"HF_TOKEN": "hf_planted_secret", "WANDB_API_KEY": "0123456789" * 4}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of the user who runs the tests; secrets that must not leave the environment."""
    for name in ("CLIPVEC_SWEEP", "CLIPVEC_RUN", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    wandb.teardown()  # it caches its settings


@pytest.fixture
def offline() -> TrackingConfig:
    return TrackingConfig(mode="offline", tags=["a tag"], log_interval_s=0.001)


@pytest.fixture
def job(tmp_path: Path) -> RunSpec:
    return RunSpec("embed", "embed toys", str(tmp_path / "store"), {"batch_size": 8}, "0-9,20")


@pytest.fixture
def server() -> Iterator[WandbServer]:
    """A server that accepts runs."""
    with WandbServer().serving() as serving:
        yield serving


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """A local port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        yield listening


@pytest.fixture
def saving(server: WandbServer, monkeypatch: pytest.MonkeyPatch) -> WandbServer:
    """The server in wandb's settings."""
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    return server
