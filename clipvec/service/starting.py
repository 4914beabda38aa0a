"""What a worker that cannot start does to the service of which it is one."""

from __future__ import annotations

import os
import signal
import sys

_STARTER = "CLIPVEC_SERVE_PID"
"""Environment variable with the process that starts the workers."""


def before_workers() -> None:
    """Let a worker that cannot start end this process; BentoML would start it again for ever.

    Once one was up that is no longer so: those that answer go on, and what cannot be opened now may
    be mended before a worker is started again.
    """
    signal.signal(signal.SIGUSR1, _end)
    signal.signal(signal.SIGUSR2, lambda *_: signal.signal(signal.SIGUSR1, signal.SIG_IGN))
    os.environ[_STARTER] = str(os.getpid())


def is_up() -> None:
    """Say that this worker has started."""
    if _is_worker():
        os.kill(os.getppid(), signal.SIGUSR2)


def failed(exit_code: int) -> None:
    """End this process, if it is a worker, and all others too unless one was up."""
    if _is_worker():
        os.kill(os.getppid(), signal.SIGUSR1)
        os._exit(exit_code)


def _end(*_: object) -> None:
    for each in (signal.SIGUSR1, signal.SIGUSR2):  # another worker's would kill what is ending
        signal.signal(each, signal.SIG_IGN)
    sys.exit(2)


def _is_worker() -> bool:
    return os.environ.get(_STARTER) == str(os.getppid())
