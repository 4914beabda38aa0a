"""Formatted times and counts."""

from __future__ import annotations

import logging

import pytest

from clipvec.progress import Formatter, Task, counted, duration, say_hub_retries_once


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0123, "0.0123 s"),
        (0.4, "0.4 s"),
        (40, "40 s"),
        (119, "119 s"),
        (164, "2 min 44 s"),
        (9000, "2 h 30 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_time_left_is_not_foretold_by_the_first_step(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = iter([0, 50, 60, 70])
    monkeypatch.setattr("clipvec.progress.time.monotonic", lambda: next(clock))
    caplog.set_level("INFO")
    task = Task("shard 3", 100, "images", 0, None)
    for _ in range(3):
        task.advance(10)
    assert caplog.messages == [
        "shard 3: 10 of 100 images, 0.2 images/s, 7 min 30 s left",
        "shard 3: 20 of 100 images, 1.0 images/s, 80 s left",
        "shard 3: 30 of 100 images, 1.0 images/s, 70 s left",
    ]


def test_counted() -> None:
    assert (counted(1, "shard"), counted(1024, "row")) == ("1 shard", "1,024 rows")


def test_retries_of_the_hub_are_one_line(caplog: pytest.LogCaptureFixture) -> None:
    hub = logging.getLogger("huggingface_hub.utils._http")
    before = [*hub.filters]
    say_hub_retries_once()
    say_hub_retries_once()
    for retry in (1, 2):
        hub.warning("'[Errno 111] Connection refused' thrown while requesting HEAD http://hub/x")
        hub.warning(f"Retrying in {retry}s [Retry {retry}/5].")
    assert caplog.messages == [
        "the Hugging Face hub does not answer ([Errno 111] Connection refused); trying again"
    ]
    hub.filters[:] = before


def test_messages_hold_no_characters_that_a_terminal_obeys() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s\nmore", ("a\x1b[5mred\x07.jpg",), None)
    assert Formatter("%(message)s").format(record) == "a [5mred .jpg\nmore"
