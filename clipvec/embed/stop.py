"""Stopping without losing finished work."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from clipvec.errors import Interrupted, stopped

if TYPE_CHECKING:
    from types import FrameType

GRACE_SECONDS = 15.0
"""Seconds that SIGTERM waits for the current part; `clipvec.cli.ending` has the end of all."""


class Stop:
    """While open, turns Ctrl-C and SIGTERM into `Interrupted`.

    Ctrl-C stops at once. SIGTERM, which spot machines receive before they are reclaimed, stops at
    the end of the current part, or after `GRACE_SECONDS`; another one changes nothing, since a
    scheduler may tell a whole tree of processes, and its root each of them again. Any other second
    signal ends the process at once.
    """

    def __init__(self) -> None:
        self._asked: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> Stop:
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
            self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for signum, handler in self._before.items():
            signal.signal(signum, handler)  # type: ignore[arg-type]  # the value that signal() returned

    def at_part_end(self) -> None:
        """Raise `Interrupted` if a stop was requested."""
        if self._asked is not None:
            self._raise()

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGALRM:
            self._raise()
        if signum == self._asked:  # SIGTERM: Ctrl-C has no handler any more
            return
        self._asked = signum
        if signum == signal.SIGTERM:
            signal.setitimer(signal.ITIMER_REAL, GRACE_SECONDS)
        else:
            signal.signal(signum, signal.SIG_DFL)
            self._raise()

    def _raise(self) -> None:
        asked = self._asked or signal.SIGINT
        raise Interrupted(asked, stopped(asked))
