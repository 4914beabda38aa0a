"""Processes that must not outlive the one that started them."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def when_parent_ends(act: Callable[[], None]) -> None:
    """Call ``act`` in a thread once stdin closes, as it does when the parent process is killed.

    The parent starts this process with ``stdin=PIPE`` and never writes there.
    """

    def wait() -> None:
        # Not through sys.stdin: the waiting thread would hold its lock, and the interpreter aborts
        # over that at exit.
        os.read(sys.stdin.fileno(), 1)
        act()

    threading.Thread(target=wait, daemon=True).start()
