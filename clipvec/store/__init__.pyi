from . import thumbnails
from .captions import draw_captions, keyed_hash
from .fingerprint import (
    GOLDEN_COSINE,
    Fingerprint,
    Golden,
    ModelFingerprint,
)
from .folder import Folder
from .live import LivePart
from .rows import Numbers, Rows
from .schema import EMBEDDING, Row, matrix
from .shard import CommitMarker, ShardWriter
from .store import Store
from .tombstones import DamagedTombstones, DeletedRows, Entry, TombstoneFolder, Tombstones

__all__ = [
    "EMBEDDING",
    "GOLDEN_COSINE",
    "CommitMarker",
    "DamagedTombstones",
    "DeletedRows",
    "Entry",
    "Fingerprint",
    "Folder",
    "Golden",
    "LivePart",
    "ModelFingerprint",
    "Numbers",
    "Row",
    "Rows",
    "ShardWriter",
    "Store",
    "TombstoneFolder",
    "Tombstones",
    "draw_captions",
    "keyed_hash",
    "matrix",
    "thumbnails",
]
