"""A worker that cannot start ends the service at its start, and not when others answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from clipvec.service import starting


class Ended(Exception):
    """A worker has ended."""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let this process start workers, and be one of them."""

    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setenv(starting._STARTER, "")
    before = {each: signal.getsignal(each) for each in (signal.SIGUSR1, signal.SIGUSR2)}
    starting.before_workers()
    monkeypatch.setattr(os, "getppid", os.getpid)
    monkeypatch.setattr(os, "_exit", end)
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def test_the_first_one_ends_all() -> None:
    with pytest.raises(SystemExit, match="2"):
        starting.failed(3)
    with pytest.raises(Ended, match="3"):  # another worker of the same start
        starting.failed(3)


def test_one_that_is_started_again_ends_alone() -> None:
    starting.is_up()
    with pytest.raises(Ended, match="3"):
        starting.failed(3)


def test_what_is_no_worker_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getppid", lambda: 1)
    starting.is_up()
    starting.failed(3)
