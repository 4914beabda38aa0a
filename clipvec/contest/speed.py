"""How fast an index answers: one query after the other, in batches, to many clients at once."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from clipvec.measures import Speed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from clipvec.measures import Kind, Mode

    Ask = Callable[[np.ndarray], object]

WARM_CALLS = 3
LEAST_CALLS = 30
"""Calls of one timing, unless they take `STRETCH` times the time it was given."""
STRETCH = 5


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


def sequential(ask: Ask, queries: np.ndarray, width: int, seconds: float, kind: Kind) -> Speed:
    """Return the speed of calls with ``width`` queries each, one after the other."""
    width = min(width, len(queries))
    batches = cycled(queries, width)
    for _ in range(WARM_CALLS):
        ask(next(batches))
    taken = calls(ask, batches, seconds, LEAST_CALLS)
    mode: Mode = "single" if width == 1 else "batch"
    return _speed(kind, mode, width, width * len(taken) / sum(taken), taken)


def concurrent(
    ask: Ask,
    queries: np.ndarray,
    clients: int,
    seconds: float,
    kind: Kind,
    enter: Callable[[], None],
) -> Speed:
    """Return the speed with ``clients`` threads that ask single queries at the same time.

    Args:
        ask: the call to time.
        queries: float32 [Q, D].
        clients: number of threads.
        seconds: time to ask for.
        kind: of the queries.
        enter: what each thread does first.

    Raises:
        ClipvecError: what a client met.
    """
    ready = threading.Barrier(clients + 1)
    taken: list[list[float]] = [[] for _ in range(clients)]
    failures: list[Exception] = []

    def client(number: int) -> None:
        enter()
        batches = cycled(np.roll(queries, -number * len(queries) // clients, axis=0), 1)
        try:
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
    return _speed(kind, "clients", clients, len(together) / wall, together)


def cycled(queries: np.ndarray, width: int) -> Iterator[np.ndarray]:
    """Yield ``width`` queries at a time, float32 [width, D], over and over."""
    whole = len(queries) // width * width
    return itertools.cycle([queries[i : i + width] for i in range(0, whole, width)])


def _speed(kind: Kind, mode: Mode, width: int, qps: float, taken: list[float]) -> Speed:
    p50, p95, p99 = (float(p) for p in np.percentile(np.asarray(taken) * 1000, [50, 95, 99]))
    return Speed(kind, mode, width, qps, p50, p95, p99)
