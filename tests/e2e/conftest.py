"""Runs commands as a user does: in a separate process and folder."""

from __future__ import annotations

import gc
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.serving import free_port, start, wait_ready
from tests.preloaded import Preloaded
from tests.waiting import until

Run = Callable[..., subprocess.CompletedProcess[str]]

HEAVY = (
    "transformers",
    "clipvec.embed.run",
    "clipvec.evaluate.run",
    "clipvec.index.build",
    "clipvec.model.torch.encoder",
    "clipvec.model.torch.sample",
    "clipvec.recall.run",
)
"""What import torch, and all that most commands use."""


@pytest.fixture(scope="session")
def preloaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preloaded]:
    """What `run` runs commands by."""
    started = Preloaded(tmp_path_factory.mktemp("preloaded"), *HEAVY)
    yield started
    started.close()


@pytest.fixture
def run(tmp_path: Path, preloaded: Preloaded) -> Run:
    """Run ``python -m clipvec.<command> <arguments>``; it must never print a traceback."""

    def call(
        command: str, *arguments: str, exit_code: int = 0, cwd: Path = tmp_path
    ) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"COLUMNS": "200"}
        done = preloaded.run(["-m", f"clipvec.{command}", *arguments], env, cwd)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done

    return call


@pytest.fixture
def tiny(tiny_weights: Path) -> list[str]:
    """Overrides that choose the small untrained model."""
    return ["model=local", f"model.pretrained=local-dir:{tiny_weights}"]


class Disk:
    """A small file system in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)], check=True)

    def remount(self, options: str) -> None:
        """Resize it, or make it read-only."""
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.path)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Disk]:
    """A file system of one megabyte."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    disk = Disk(tmp_path / "disk")
    yield disk

    def unmounted() -> bool:
        gc.collect()  # files that a test has mapped are open while anything refers to them
        return subprocess.run(["umount", str(disk.path)], check=False).returncode == 0

    until(unmounted, seconds=30)


@pytest.fixture(scope="session")
def index(sample: Path) -> Path:
    """The index of the bundled images, read-only."""
    return sample / "data" / "index"


@pytest.fixture(scope="session")
def url(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the service."""
    port, log = free_port(), tmp_path_factory.mktemp("serve") / "log"
    process = start(f"index.path={index}", port, log)
    where = f"http://127.0.0.1:{port}"
    try:
        wait_ready(where, process, log)
        yield where
    finally:
        process.terminate()
        process.wait(60)
