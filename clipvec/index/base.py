"""What every index answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
