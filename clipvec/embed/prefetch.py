"""One stage of a pipeline running ahead of the next."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

T = TypeVar("T")


class Prefetch(Generic[T]):
    """Iterates over a generator that runs in its own thread, up to ``size`` items ahead.

    The generator is closed in its thread. Its exceptions are raised in the consumer.
    """

    def __init__(self, items: Generator[T, None, None], size: int, name: str) -> None:
        self.waited = 0.0
        """Seconds that the consumer has waited for an item."""
        self.blocked = 0.0
        """Seconds that the generator has waited for a free slot."""
        self._items = items
        self._size = size
        self._ready: deque[T] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        started = time.perf_counter()
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended or self._stopped)
            self.waited += time.perf_counter() - started
            if self._ready and not self._stopped:
                self._changed.notify_all()
                return self._ready.popleft()
        if self._error is not None and not self._stopped:
            raise self._error
        raise StopIteration

    def stop(self) -> None:
        """Stop yielding items, and let the thread end after its current one."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait for the thread to end."""
        self._thread.join()

    def _run(self) -> None:
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as error:
            self._error = error
        finally:
            try:
                self._items.close()
            finally:
                with self._changed:
                    self._ended = True
                    self._changed.notify_all()

    def _put(self, item: T) -> bool:
        started = time.perf_counter()
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._ready) < self._size)
            self.blocked += time.perf_counter() - started
            if self._stopped:
                return False
            self._ready.append(item)
            self._changed.notify_all()
            return True
