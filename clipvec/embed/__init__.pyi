from .growth import next_generation
from .reuse import ReusedStore, reused_url
from .run import EmbedSummary, embed_shards
from .work import publish

__all__ = [
    "EmbedSummary",
    "ReusedStore",
    "embed_shards",
    "next_generation",
    "publish",
    "reused_url",
]
