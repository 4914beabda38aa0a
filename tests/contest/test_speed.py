from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from clipvec.contest.speed import calls, concurrent, cycled, sequential
from clipvec.errors import CollectionError

QUERIES = np.arange(20, dtype=np.float32).reshape(10, 2)


class Clock:
    """A clock that goes on by 4 ms with each call."""

    def __init__(self) -> None:
        self.now = 0.0
        self.widths: set[int] = set()

    def ask(self, vectors: np.ndarray) -> None:
        self.now += 0.004
        self.widths.add(len(vectors))


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


def test_a_timing_takes_the_time_or_the_calls_that_it_should(clock: Clock) -> None:
    assert len(calls(clock.ask, cycled(QUERIES, 1), 0.079, 1)) == 20
    assert len(calls(clock.ask, cycled(QUERIES, 1), 0.03, 12)) == 12
    # five times the time is the end, however few calls there were
    assert len(calls(clock.ask, cycled(QUERIES, 1), 0.0099, 1000)) == 13


@pytest.mark.parametrize(("width", "mode"), [(1, "single"), (5, "batch")])
def test_sequential(clock: Clock, width: int, mode: str) -> None:
    speed = sequential(clock.ask, QUERIES, width, 0.2, "text")
    assert (speed.mode, speed.width, speed.kind) == (mode, width, "text")
    assert clock.widths == {width}
    assert [speed.p50_ms, speed.p95_ms, speed.p99_ms] == pytest.approx([4, 4, 4])
    assert speed.qps == pytest.approx(width * 250)


def test_clients_ask_at_the_same_time() -> None:
    entered: set[int] = set()

    def slow(vectors: np.ndarray) -> None:
        time.sleep(0.004)  # stands for an index that works outside of Python

    speed = concurrent(slow, QUERIES, 4, 0.3, "image", lambda: entered.add(threading.get_ident()))
    assert (speed.mode, speed.width) == ("clients", 4)
    assert len(entered) == 4
    assert speed.qps > 1.5 * 1000 / speed.p50_ms


def test_what_a_client_meets_comes_out() -> None:
    def fail(vectors: np.ndarray) -> None:
        raise CollectionError("gone")

    with pytest.raises(CollectionError, match="gone"):
        concurrent(fail, QUERIES, 3, 0.1, "image", lambda: None)
