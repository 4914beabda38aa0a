"""Where the time of a shard went, from the encoder's point of view."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

STAGES = ("read", "decode", "encode", "write")


@dataclass
class Timings:
    """Seconds by stage: the encoder working, or waiting for another stage."""

    seconds: float = 0.0
    """Wall time."""
    images: int = 0
    read: float = 0.0
    decode: float = 0.0
    encode: float = 0.0
    write: float = 0.0
    bytes_read: int = 0
    """Encoded images, in bytes."""

    def __add__(self, other: Timings) -> Timings:
        """Return the sum, for shards embedded one after the other."""
        return Timings(
            **{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)}
        )

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds if self.seconds else 0.0

    def shares(self) -> dict[str, float]:
        """Return each stage's share of the time, summing to 1."""
        total = sum(getattr(self, stage) for stage in STAGES)
        return {stage: getattr(self, stage) / total if total else 0.0 for stage in STAGES}

    @property
    def bottleneck(self) -> str:
        """The stage with the largest share."""
        shares = self.shares()
        return max(STAGES, key=lambda stage: shares[stage])

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values for the commit marker."""
        shares = {stage: round(share, 4) for stage, share in self.shares().items()}
        return {
            "seconds": round(self.seconds, 3),
            "images": self.images,
            "images_per_s": round(self.rate, 2),
            "bytes_read": self.bytes_read,
            **shares,
        }
