from .growth import next_generation, publish
from .run import EmbedSummary, embed_shards

__all__ = ["EmbedSummary", "embed_shards", "next_generation", "publish"]
