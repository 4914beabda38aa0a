"""Formatted times and counts."""

from __future__ import annotations

import pytest

from clipvec.progress import counted, duration


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


def test_counted() -> None:
    assert (counted(1, "shard"), counted(1024, "row")) == ("1 shard", "1,024 rows")
