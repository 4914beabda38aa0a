from __future__ import annotations

import subprocess
import sys

CHILD = """
import os, time
from clipvec.process import when_parent_ends
when_parent_ends(lambda: os._exit(7))
print("ready", flush=True)
time.sleep(60)
"""


def test_a_child_notices_when_its_stdin_closes() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "ready\n"
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(10) == 7
