"""How fast a system answers: one query at a time, in batches, to concurrent clients."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clipvec.recall.results import LEAST_P99_CALLS, LatencyResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clipvec.recall.results import Kind

    Query = Callable[[np.ndarray], object]

ROUNDS = 3
"""Of each timing. Settings take turns, so that a machine that is busy for a while is so for all."""
WARM_CALLS = 3
LEAST_CALLS = 10
"""Calls of one round, unless they take `STRETCH` times as long as it was given."""
STRETCH = 5


@dataclass
class Rounds:
    """One timing: what its rounds took."""

    qps: list[float] = field(default_factory=list)
    """QPS, by round."""
    taken: list[float] = field(default_factory=list)
    """Seconds of each call of all rounds."""

    def add(self, queries: int, seconds: float, taken: list[float]) -> None:
        """Add a round of so many queries in so many seconds."""
        self.qps.append(queries / seconds)
        self.taken += taken

    def spread(self) -> tuple[float, float, float]:
        """Return the QPS of the median, the slowest and the fastest round."""
        return statistics.median_low(self.qps), min(self.qps), max(self.qps)

    def result(self, kind: Kind, batch_size: int, concurrency: int) -> LatencyResult:
        """Return QPS and latency."""
        milliseconds = np.asarray(self.taken) * 1000
        p50, p95, p99 = (float(p) for p in np.percentile(milliseconds, [50, 95, 99]))
        many = len(self.taken) >= LEAST_P99_CALLS
        counted = (*self.spread(), len(self.taken))
        return LatencyResult(
            kind, batch_size, concurrency, *counted, p50, p95, p99 if many else None
        )


def calls(query: Query, batches: Iterator[np.ndarray], seconds: float, least: int) -> list[float]:
    """Return the seconds that each call took, one after the other."""
    clock = time.perf_counter
    taken: list[float] = []
    now = clock()
    stop, latest = now + seconds, now + seconds * STRETCH
    while now < stop or (len(taken) < least and now < latest):
        batch = next(batches)
        begin = clock()
        query(batch)
        now = clock()
        taken.append(now - begin)
    return taken


def sequential(
    query: Query, queries: np.ndarray, batch_size: int, seconds: float, rounds: Rounds
) -> None:
    """Add a round of calls of ``batch_size`` queries each, one at a time.

    Args:
        query: the call to time.
        queries: float32 [Q, D].
        batch_size: queries of a call; they repeat where there are fewer.
        seconds: how long to go on.
        rounds: what is added to.
    """
    batches = cycled(queries, batch_size)
    for _ in range(1 if rounds.qps else WARM_CALLS):
        query(next(batches))
    taken = calls(query, batches, seconds, LEAST_CALLS)
    rounds.add(batch_size * len(taken), sum(taken), taken)


def concurrent(
    query: Query,
    queries: np.ndarray,
    concurrency: int,
    seconds: float,
    rounds: Rounds,
    start_thread: Callable[[], None],
) -> None:
    """Add a round with ``concurrency`` threads that send single queries at the same time.

    Args:
        query: the call to time.
        queries: float32 [Q, D].
        concurrency: number of threads.
        seconds: how long to go on.
        rounds: what is added to.
        start_thread: what each thread does first.

    Raises:
        ClipvecError: what went wrong for a client.
    """
    ready = threading.Barrier(concurrency + 1)
    taken: list[list[float]] = [[] for _ in range(concurrency)]
    failures: list[Exception] = []

    def client(number: int) -> None:
        try:
            start_thread()
            batches = cycled(queries, 1, number * len(queries) // concurrency)
            query(next(batches))
            ready.wait()
            taken[number] = calls(query, batches, seconds, -(-LEAST_CALLS // concurrency))
        except Exception as error:
            failures.append(error)
            ready.abort()

    threads = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(concurrency)]
    for thread in threads:
        thread.start()
    with contextlib.suppress(threading.BrokenBarrierError):
        ready.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    wall = time.perf_counter() - started
    if failures:
        raise next(e for e in failures if not isinstance(e, threading.BrokenBarrierError))
    together = list(itertools.chain.from_iterable(taken))
    rounds.add(len(together), wall, together)


def cycled(queries: np.ndarray, batch_size: int, first: int = 0) -> Iterator[np.ndarray]:
    """Yield ``batch_size`` queries at a time, float32 [B, D], from ``first`` on, over and over."""
    turned = np.roll(queries, -first, axis=0)
    if len(turned) < batch_size:
        turned = np.resize(turned, (batch_size, queries.shape[1]))
    whole = len(turned) // batch_size * batch_size
    return itertools.cycle([turned[i : i + batch_size] for i in range(0, whole, batch_size)])
