from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from clipvec.errors import CollectionError
from clipvec.recall.timing import Rounds, calls, concurrent, cycled, sequential

QUERIES = np.arange(20, dtype=np.float32).reshape(10, 2)


class Clock:
    """A clock that advances by 4 ms with each call."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sizes: set[int] = set()

    def query(self, vectors: np.ndarray) -> None:
        self.now += 0.004
        self.sizes.add(len(vectors))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    return clock


def test_batches_go_round() -> None:
    batches = cycled(QUERIES, 4)
    assert [next(batches)[:, 0].tolist() for _ in range(3)] == [
        [0, 2, 4, 6],
        [8, 10, 12, 14],
        [0, 2, 4, 6],
    ]
    assert next(cycled(QUERIES, 4, 7))[:, 0].tolist() == [14, 16, 18, 0]


def test_a_batch_has_the_requested_size_however_few_queries_there_are() -> None:
    (batch,) = [next(cycled(QUERIES, 25))]
    assert batch[:, 0].tolist() == [*range(0, 20, 2), *range(0, 20, 2), *range(0, 10, 2)]


def test_the_median_round_and_its_spread() -> None:
    rounds = Rounds()
    for seconds in (2.0, 1.0, 4.0):
        rounds.add(40, seconds, [seconds / 40] * 40)
    latency = rounds.result("text", 1, 1)
    assert (latency.qps, latency.qps_low, latency.qps_high) == (20, 10, 40)
    assert (latency.calls, latency.p50_ms) == (120, 50)
    assert latency.p95_ms == latency.p99_ms == pytest.approx(100)


@pytest.mark.parametrize(("calls", "p99"), [(99, None), (100, 5)])
def test_a_99th_percentile_needs_a_hundred_calls(calls: int, p99: float | None) -> None:
    rounds = Rounds()
    rounds.add(calls, 1, [0.005] * calls)
    found = rounds.result("text", 1, 1).p99_ms
    assert found == (p99 and pytest.approx(p99))


def test_a_timing_stops_at_its_time_or_call_limit(clock: Clock) -> None:
    assert len(calls(clock.query, cycled(QUERIES, 1), 0.079, 1)) == 20
    assert len(calls(clock.query, cycled(QUERIES, 1), 0.03, 12)) == 12
    # five times the time is the end, however few calls there were
    assert len(calls(clock.query, cycled(QUERIES, 1), 0.0099, 1000)) == 13


@pytest.mark.parametrize("size", [1, 5])
def test_sequential(clock: Clock, size: int) -> None:
    rounds = Rounds()
    for _ in range(3):
        sequential(clock.query, QUERIES, size, 0.199, rounds)
    assert clock.sizes == {size}
    assert len(rounds.taken) == 150
    latency = rounds.result("text", size, 1)
    assert (latency.batch_size, latency.concurrency, latency.kind, latency.calls) == (
        size,
        1,
        "text",
        150,
    )
    assert [latency.p50_ms, latency.p95_ms, latency.p99_ms] == pytest.approx([4, 4, 4])
    assert rounds.spread() == pytest.approx([size * 250] * 3)


def test_clients_query_concurrently() -> None:
    entered: set[int] = set()

    def slow(vectors: np.ndarray) -> None:
        time.sleep(0.004)  # a stand-in for an index that works outside of Python

    rounds = Rounds()
    concurrent(slow, QUERIES, 4, 0.3, rounds, lambda: entered.add(threading.get_ident()))
    latency = rounds.result("image", 1, 4)
    assert len(entered) == 4
    assert latency.qps > 1.5 * 1000 / latency.p50_ms


def test_errors_of_a_client_are_raised() -> None:
    def fail(vectors: np.ndarray | None = None) -> None:
        raise CollectionError("gone")

    with pytest.raises(CollectionError, match="gone"):
        concurrent(fail, QUERIES, 3, 0.1, Rounds(), lambda: None)
    # also before its first query
    with pytest.raises(CollectionError, match="gone"):
        concurrent(lambda _: None, QUERIES, 3, 0.1, Rounds(), fail)
