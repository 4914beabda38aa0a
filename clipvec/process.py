"""Processes that end: with the one that started them, or soon after they are told to.

And the folder by which those of one user find each other.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def user_folder() -> Path | None:
    """Return the folder of sockets and locks of this user's processes on this machine.

    Returns:
        A folder that nobody else can read or write; None: there can be none.
    """
    told = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(told or tempfile.gettempdir()) / f"clipvec-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    # in a folder of everybody's, somebody else may have made it
    is_ours = status.st_uid == os.getuid() and not status.st_mode & 0o077
    return folder if is_ours else None


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


def end_with(pipe: int) -> None:
    """Let the kernel end this process by SIGIO when the other end of a pipe closes, as killed.

    Unlike `when_parent_ends` at once, even inside of a library that holds the interpreter. Nothing
    is ever written into the pipe, and only the parent has its other end.
    """
    fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(pipe, fcntl.F_SETFL, os.O_ASYNC)


@contextmanager
def after_sigterm(seconds: float, act: Callable[[], None]) -> Iterator[None]:
    """Call ``act`` in a thread ``seconds`` after a SIGTERM that comes while the context is open.

    Python's own handler waits for the main thread, which may wait for a thread or a disk that never
    answers; so does the interpreter at its end. That end runs no thread any more: on a busy machine
    it is cut off a second later by the kernel, with SIGALRM. For the main thread alone.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    known, told = threading.Event(), 0.0

    def wait() -> None:
        nonlocal told
        while (received := os.read(reader, 1)) and received[0] != signal.SIGTERM:
            continue
        told = time.monotonic() if received else 0
        known.set()
        if received:  # the pipe stays open for further signals, of which Python would complain
            time.sleep(seconds)
            act()
        os.close(reader)

    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=wait, daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)
        known.wait()
        if told:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            left = told + seconds + 1 - time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.1))
