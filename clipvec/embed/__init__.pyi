from .run import EmbedSummary, embed_shards

__all__ = ["EmbedSummary", "embed_shards"]
