"""Running the commands as a user does: in a process and a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``python -m clipvec.<command> <arguments>``; no traceback may ever come out."""

    def call(
        command: str, *arguments: str, exit_code: int = 0, cwd: Path = tmp_path
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", f"clipvec.{command}", *arguments],
            cwd=cwd,
            env=os.environ | {"COLUMNS": "200"},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done

    return call


@pytest.fixture
def tiny(tiny_weights: Path) -> list[str]:
    """Overrides that choose the small untrained model."""
    return ["model=local", f"model.pretrained=local-dir:{tiny_weights}"]
