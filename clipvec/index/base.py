"""What every index answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

SCORE_TOLERANCE = 2e-6
"""Error of a cosine that was computed in float32: two copies of one vector score 1 within this."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that a query found."""

    id: str
    score: float
    """Cosine, -1 to 1."""
    uri: str
    caption: str | None
    width: int
    height: int
    attributes: dict[str, Any] = field(default_factory=dict)
    part: str = ""
    """Part file of the store that holds the row."""
    row: int = 0
    """Its position in that file."""


def clamp(score: float | np.floating[Any]) -> float:
    """Return a cosine within -1 to 1, which rounding left by a little."""
    return min(1.0, max(-1.0, float(score)))
