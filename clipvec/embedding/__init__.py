"""Embedding: read, decode, encode, write, all at once."""

from clipvec.embedding.identity import fingerprint, model_print
from clipvec.embedding.run import Summary, embed_shards
from clipvec.embedding.timings import Timings

__all__ = ["Summary", "Timings", "embed_shards", "fingerprint", "model_print"]
