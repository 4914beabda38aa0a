"""The process of a step."""

from __future__ import annotations

import signal
import subprocess
import sys


def test_it_ends_with_its_parent() -> None:
    command = [sys.executable, "-m", "clipvec.photos.child", "http.server", "0"]
    child = subprocess.Popen(
        [*command, "--bind", "127.0.0.1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdin is not None
    with child:
        assert "127.0.0.1" in child.stdout.readline()
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(60) == -signal.SIGTERM
