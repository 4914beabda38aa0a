"""Work of many concurrent requests, done in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from clipvec.service import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """Collects what arrives while one batch is running into the next batch.

    A lone item runs at once; under load batches grow by themselves. There is no time window to
    wait for, and nothing to tune. The work runs in a thread, never on the event loop.

    Args:
        stage: name in the metrics.
        work: items to as many results; an Exception among the results is raised for its item.
        limit: items of a batch.
        threads: where the work is done, one batch at a time.
    """

    def __init__(
        self,
        stage: str,
        work: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        limit: int,
        threads: Executor,
    ) -> None:
        self._stage, self._work, self._limit, self._threads = stage, work, limit, threads
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """Return the result of one item."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return await future

    async def all(self, items: Sequence[Item]) -> list[Result]:
        """Return the results of several items."""
        return await asyncio.gather(*map(self, items))

    async def _run(self) -> None:
        try:
            while batch := self._next():
                await self._finish(batch)
        finally:
            self._running = None

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """Return what comes next, without those whose client has gone."""
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._limit:
            item, future = self._waiting.popleft()
            if not future.done():
                batch.append((item, future))
        return batch

    async def _finish(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        metrics.BATCH_SIZE.labels(self._stage).observe(len(batch))
        loop = asyncio.get_running_loop()
        results: Sequence[Result | Exception]
        try:
            items = [item for item, _ in batch]
            results = await loop.run_in_executor(self._threads, self._work, items)
        except Exception as error:
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
