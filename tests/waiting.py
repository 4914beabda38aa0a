"""Waiting for what another process or thread brings about."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable


def until(
    true: Callable[[], object],
    seconds: float = 300,
    *,
    by: subprocess.Popen[str] | subprocess.Popen[bytes] | None = None,
    pause: float = 0.02,
) -> None:
    """Wait until a condition holds.

    Args:
        true: The condition.
        seconds: After how many the test fails.
        by: The process that brings it about: when it ends before that, the test fails.
        pause: Seconds between two looks.
    """
    end = time.monotonic() + seconds
    while not true():
        assert by is None or by.poll() is None, by.communicate()
        assert time.monotonic() < end, f"waited in vain for {seconds} s"
        time.sleep(pause)
