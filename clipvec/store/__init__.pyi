from . import compaction, joining, reused, thumbnails
from .blocked import BLOCKED, BlockedImage, hide_blocked
from .captions import draw_captions, has_captions, keyed_hash
from .fingerprint import (
    GOLDEN_COSINE,
    Fingerprint,
    Golden,
    ModelFingerprint,
)
from .folder import Folder, canonical_url
from .generations import REPLACED, Generation, current, replaced_sources
from .hidden_names import are_alike, revealed
from .ledger import NOT_FOUND, live_rejects, retried_sources
from .live import LivePart
from .nearby import stores_of
from .part import LedgerRow
from .replaced import KnownImages, deleted_rows, live_rows, still_deleted
from .rows import Numbers, Rows
from .schema import DIGEST, EMBEDDING, Row, id_digest, image_digest, matrix
from .shard import CommitMarker, ShardWriter, embedded_by_hardware
from .store import Store
from .tombstones import DamagedTombstones, DeletedRows, Entry, TombstoneFolder, Tombstones

__all__ = [
    "BLOCKED",
    "DIGEST",
    "EMBEDDING",
    "GOLDEN_COSINE",
    "NOT_FOUND",
    "REPLACED",
    "BlockedImage",
    "CommitMarker",
    "DamagedTombstones",
    "DeletedRows",
    "Entry",
    "Fingerprint",
    "Folder",
    "Generation",
    "Golden",
    "KnownImages",
    "LedgerRow",
    "LivePart",
    "ModelFingerprint",
    "Numbers",
    "Row",
    "Rows",
    "ShardWriter",
    "Store",
    "TombstoneFolder",
    "Tombstones",
    "are_alike",
    "canonical_url",
    "compaction",
    "current",
    "deleted_rows",
    "draw_captions",
    "embedded_by_hardware",
    "has_captions",
    "hide_blocked",
    "id_digest",
    "image_digest",
    "joining",
    "keyed_hash",
    "live_rejects",
    "live_rows",
    "matrix",
    "replaced_sources",
    "retried_sources",
    "reused",
    "revealed",
    "still_deleted",
    "stores_of",
    "thumbnails",
]
