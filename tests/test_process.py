from __future__ import annotations

import signal
import subprocess
import sys

import pytest

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


STUCK = """
import signal, sys, threading
from clipvec.cli import ending
ending.END_SECONDS = 0.5
def main():
    threading.Thread(target=threading.Event().wait).start()
    print("ready", flush=True)
    try:
        threading.Event().wait()
    finally:
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.raise_signal(signal.SIGALRM)
ending.run(main{})
"""


def terminated(script: str) -> tuple[int, str]:
    """Send SIGTERM to a script that says that it is ready; return its exit code and its errors."""
    child = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.terminate()
    _, error = child.communicate(timeout=20)
    return child.returncode, error


@pytest.mark.parametrize(
    ("options", "mend"),
    [("", ""), (", resumes=True", "; the same command does what is missing")],
)
def test_sigterm_ends_a_command_whatever_its_threads_do(options: str, mend: str) -> None:
    """The interpreter waits at its end for a thread that never ends."""
    code, error = terminated(STUCK.format(options))
    assert code == 143
    assert error.splitlines() == [
        "error: stopped by SIGTERM",
        f"error: stopped by SIGTERM, before its threads had ended{mend}",
    ]


ENDLESS = """
import signal, threading, time
from clipvec.cli import ending
ending.END_SECONDS = 0.5
class Slow:
    def __del__(self):
        time.sleep(60)
slow = Slow()
def main():
    print("ready", flush=True)
    threading.Event().wait()
ending.run(main)
"""


def test_sigterm_ends_a_command_while_the_interpreter_ends() -> None:
    """It runs no thread any more, and on a busy machine takes long to let go of torch."""
    code, _ = terminated(ENDLESS)
    assert code == -signal.SIGALRM
