"""``bentoml serve`` as a subprocess."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.waiting import until

ROOT = Path(__file__).parents[2]
BENTOML = Path(sys.executable).with_name("bentoml")


def start(
    overrides: str, port: int, log: Path, *bento: str, cwd: Path = ROOT, **env: str
) -> subprocess.Popen[bytes]:
    """Start ``bentoml serve`` in the repository's root, or in that of a bento."""
    with log.open("wb") as output:
        return subprocess.Popen(
            [BENTOML, "serve", "--port", str(port), *bento],
            cwd=cwd,
            env=os.environ | {"CLIPVEC_SERVE": overrides, "BENTOML_DO_NOT_TRACK": "True"} | env,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 240

    def ready() -> bool:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            return httpx.get(f"{url}/readyz", timeout=30).status_code == 200
        except httpx.TransportError:
            return False

    until(ready, pause=0.2)
