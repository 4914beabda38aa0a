from . import thumbnails
from .fingerprint import (
    GOLDEN_COSINE,
    ROW_SETTINGS,
    SCHEMA_VERSION,
    Fingerprint,
    Golden,
    ModelPrint,
)
from .rows import Numbers, Rows
from .schema import EMBEDDING, Row, matrix
from .shard import Done, Part, ShardWriter
from .store import Store

__all__ = [
    "EMBEDDING",
    "GOLDEN_COSINE",
    "ROW_SETTINGS",
    "SCHEMA_VERSION",
    "Done",
    "Fingerprint",
    "Golden",
    "ModelPrint",
    "Numbers",
    "Part",
    "Row",
    "Rows",
    "ShardWriter",
    "Store",
    "matrix",
    "thumbnails",
]
