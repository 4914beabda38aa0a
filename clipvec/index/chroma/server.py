"""A Chroma server of our own, on a free port of this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

from clipvec.config import ChromaHttpConfig
from clipvec.errors import CollectionError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HOST = "127.0.0.1"
_START_SECONDS = 60
_RUN = "import sys; sys.argv[0] = 'chroma'; from chromadb.cli.cli import app; app()"


@contextlib.contextmanager
def chroma_server(folder: Path, log: Path) -> Iterator[ChromaHttpConfig]:
    """Serve the database in ``folder`` while the context is open.

    Raises:
        CollectionError: the server does not start.
    """
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-P", "-c", _RUN, "run", "--path", str(folder)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--host", _HOST, "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
        )
        try:
            _wait(f"http://{_HOST}:{port}/api/v2/heartbeat", process, log)
            yield ChromaHttpConfig(host=_HOST, port=port)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise CollectionError(f"chroma run did not start; see {log}") from error
            time.sleep(0.05)
