"""How fast an index answers: one query after the other, in batches, to many clients at once."""

from __future__ import annotations

import contextlib
import itertools
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from clipvec.recall.results import LEAST_P99_CALLS, Speed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clipvec.recall.results import Kind, Mode

    Ask = Callable[[np.ndarray], object]

ROUNDS = 3
"""Of each timing. Settings take turns, so that a machine that is busy for a while is so for all."""
WARM_CALLS = 3
LEAST_CALLS = 10
"""Calls of one round, unless they take `STRETCH` times the time it was given."""
STRETCH = 5


@dataclass
class Rounds:
    """One timing: what its rounds took."""

    qps: list[float] = field(default_factory=list)
    """Queries a second, by round."""
    taken: list[float] = field(default_factory=list)
    """Seconds of each call of all rounds."""

    def add(self, queries: int, seconds: float, taken: list[float]) -> None:
        """Add a round of so many queries in so many seconds."""
        self.qps.append(queries / seconds)
        self.taken += taken

    def spread(self) -> tuple[float, float, float]:
        """Return the queries a second of the median, the slowest and the fastest round."""
        return statistics.median_low(self.qps), min(self.qps), max(self.qps)

    def speed(self, kind: Kind, mode: Mode, width: int) -> Speed:
        """Return the speed."""
        milliseconds = np.asarray(self.taken) * 1000
        p50, p95, p99 = (float(p) for p in np.percentile(milliseconds, [50, 95, 99]))
        many = len(self.taken) >= LEAST_P99_CALLS
        counted = (*self.spread(), len(self.taken))
        return Speed(kind, mode, width, *counted, p50, p95, p99 if many else None)


def calls(ask: Ask, batches: Iterator[np.ndarray], seconds: float, least: int) -> list[float]:
    """Return the seconds that each call took, one after the other."""
    clock = time.perf_counter
    taken: list[float] = []
    now = clock()
    stop, latest = now + seconds, now + seconds * STRETCH
    while now < stop or (len(taken) < least and now < latest):
        batch = next(batches)
        begin = clock()
        ask(batch)
        now = clock()
        taken.append(now - begin)
    return taken


def sequential(ask: Ask, queries: np.ndarray, width: int, seconds: float, rounds: Rounds) -> None:
    """Add a round of calls with ``width`` queries each, one after the other.

    Args:
        ask: the call to time.
        queries: float32 [Q, D].
        width: queries of a call; they come round where there are fewer.
        seconds: time to ask for.
        rounds: what is added to.
    """
    batches = cycled(queries, width)
    for _ in range(1 if rounds.qps else WARM_CALLS):
        ask(next(batches))
    taken = calls(ask, batches, seconds, LEAST_CALLS)
    rounds.add(width * len(taken), sum(taken), taken)


def concurrent(
    ask: Ask,
    queries: np.ndarray,
    clients: int,
    seconds: float,
    rounds: Rounds,
    enter: Callable[[], None],
) -> None:
    """Add a round with ``clients`` threads that ask single queries at the same time.

    Args:
        ask: the call to time.
        queries: float32 [Q, D].
        clients: number of threads.
        seconds: time to ask for.
        rounds: what is added to.
        enter: what each thread does first.

    Raises:
        ClipvecError: what a client met.
    """
    ready = threading.Barrier(clients + 1)
    taken: list[list[float]] = [[] for _ in range(clients)]
    failures: list[Exception] = []

    def client(number: int) -> None:
        try:
            enter()
            batches = cycled(queries, 1, number * len(queries) // clients)
            ask(next(batches))
            ready.wait()
            taken[number] = calls(ask, batches, seconds, -(-LEAST_CALLS // clients))
        except Exception as error:
            failures.append(error)
            ready.abort()

    threads = [threading.Thread(target=client, args=(n,), daemon=True) for n in range(clients)]
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


def cycled(queries: np.ndarray, width: int, first: int = 0) -> Iterator[np.ndarray]:
    """Yield ``width`` queries at a time, float32 [width, D], from ``first`` on, over and over."""
    turned = np.roll(queries, -first, axis=0)
    if len(turned) < width:
        turned = np.resize(turned, (width, queries.shape[1]))
    whole = len(turned) // width * width
    return itertools.cycle([turned[i : i + width] for i in range(0, whole, width)])
