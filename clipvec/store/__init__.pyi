from . import thumbnails
from .fingerprint import (
    GOLDEN_COSINE,
    Fingerprint,
    Golden,
    ModelFingerprint,
)
from .rows import Numbers, Rows
from .schema import EMBEDDING, Row, matrix
from .shard import CommitMarker, Part, ShardWriter
from .store import Store

__all__ = [
    "EMBEDDING",
    "GOLDEN_COSINE",
    "CommitMarker",
    "Fingerprint",
    "Golden",
    "ModelFingerprint",
    "Numbers",
    "Part",
    "Row",
    "Rows",
    "ShardWriter",
    "Store",
    "matrix",
    "thumbnails",
]
