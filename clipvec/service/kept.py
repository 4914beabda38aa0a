"""An answer that is given to many callers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Answer = TypeVar("Answer")


class Kept(Generic[Answer]):
    """Asks at most once in ``seconds``, however many call: work of probes is no load.

    Args:
        ask: gives the answer.
        seconds: that an answer is good for.
    """

    def __init__(self, ask: Callable[[], Awaitable[Answer]], seconds: float) -> None:
        self._ask, self._seconds = ask, seconds
        self._lock = asyncio.Lock()
        self._answers: list[Answer] = []
        self._until = 0.0

    async def __call__(self) -> Answer:
        """Return the answer, from a moment ago or a new one."""
        async with self._lock:
            if not self._answers or time.monotonic() >= self._until:
                self._answers = [await self._ask()]
                self._until = time.monotonic() + self._seconds
            return self._answers[0]
