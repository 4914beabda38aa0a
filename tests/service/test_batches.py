from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from clipvec.service.batches import Batches


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


class Admission:
    """Doubles numbers, once it is opened; remembers the batches."""

    def __init__(self) -> None:
        self.open, self.entered = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(items))
        self.entered.set()
        assert self.open.wait(10)
        return [ValueError(f"{x} is odd") if x % 2 else 2 * x for x in items]


def test_waiting_items_become_the_next_batch(threads: ThreadPoolExecutor) -> None:
    gate = Admission()

    async def main() -> list[int]:
        batches = Batches("test", gate, 3, threads)
        first = asyncio.create_task(batches(0))
        await asyncio.to_thread(gate.entered.wait, 10)
        rest = [asyncio.create_task(batches(x)) for x in (2, 4, 6, 8)]
        await asyncio.sleep(0)  # each of them adds its item
        gate.open.set()
        return [await first, *await asyncio.gather(*rest)]

    assert asyncio.run(main()) == [0, 4, 8, 12, 16]
    assert gate.batches == [[0], [2, 4, 6], [8]]


def test_an_error_belongs_to_its_own_item(threads: ThreadPoolExecutor) -> None:
    gate = Admission()
    gate.open.set()

    async def main() -> list[int | BaseException]:
        batches = Batches("test", gate, 8, threads)
        return await asyncio.gather(*map(batches, (2, 3, 4)), return_exceptions=True)

    good, bad, other = asyncio.run(main())
    assert (good, str(bad), other) == (4, "3 is odd", 8)
    assert gate.batches == [[2, 3, 4]]


def test_a_failing_batch_fails_for_all_and_the_next_one_works(threads: ThreadPoolExecutor) -> None:
    def work(items: Sequence[int]) -> list[int | Exception]:
        if 0 in items:
            raise ZeroDivisionError
        return list(items)

    async def main() -> list[int | BaseException]:
        batches = Batches("test", work, 2, threads)
        return await asyncio.gather(*map(batches, (0, 1, 2, 3)), return_exceptions=True)

    first, second, third, fourth = asyncio.run(main())
    assert isinstance(first, ZeroDivisionError)
    assert isinstance(second, ZeroDivisionError)
    assert (third, fourth) == (2, 3)


def test_cancelled_items_are_skipped(threads: ThreadPoolExecutor) -> None:
    gate = Admission()

    async def main() -> int:
        batches = Batches("test", gate, 8, threads)
        first = asyncio.create_task(batches(0))
        await asyncio.to_thread(gate.entered.wait, 10)
        gone, stays = asyncio.create_task(batches(2)), asyncio.create_task(batches(4))
        await asyncio.sleep(0)
        gone.cancel()
        gate.open.set()
        await first
        return await stays

    assert asyncio.run(main()) == 8
    assert gate.batches == [[0], [4]]
