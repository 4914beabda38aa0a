"""Numbers on axes."""

from __future__ import annotations

import pytest

from clipvec.web import format


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05, "0.05"), (1, "1"), (1.5, "1.5"), (2.0000000000000004, "2"), (1e6, "1,000,000")],
)
def test_ticks(value: float, text: str) -> None:
    assert format.tick(value) == text
