from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from clipvec.embed.prefetch import Prefetch


def test_items_in_order() -> None:
    assert list(Prefetch((i for i in range(100)), 3, "test")) == list(range(100))


def test_runs_ahead_but_not_beyond_its_limit() -> None:
    made: list[int] = []
    full = threading.Event()

    def items() -> Generator[int, None, None]:
        for i in range(10):
            made.append(i)
            if i == 3:
                full.set()
            yield i

    stage = Prefetch(items(), 3, "test")
    assert full.wait(10)  # three are ready, and the fourth waits for a free slot
    assert made == [0, 1, 2, 3]
    assert next(stage) == 0
    assert list(stage) == list(range(1, 10))


def test_errors_come_out_after_the_items() -> None:
    def items() -> Generator[int, None, None]:
        yield 1
        raise ValueError("broken")

    stage = Prefetch(items(), 3, "test")
    assert next(stage) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stage)


def test_stop_closes_the_generator_in_its_thread() -> None:
    closed_in: list[str] = []

    def items() -> Generator[int, None, None]:
        try:
            while True:
                yield 0
        finally:
            closed_in.append(threading.current_thread().name)

    stage = Prefetch(items(), 2, "mine")
    next(stage)
    stage.stop()
    stage.join()
    assert closed_in == ["mine"]
    assert list(stage) == []
