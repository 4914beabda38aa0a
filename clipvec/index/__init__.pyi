from . import filters
from .base import Hit, VectorIndex, clamp
from .build import IndexSummary, build_index
from .chroma.backend import memory_bytes
from .chroma.client import chroma_errors
from .chroma.server import chroma_server
from .open import open_index, partitions_of
from .query import Term, combine, query_vector, split_weight

__all__ = [
    "Hit",
    "IndexSummary",
    "Term",
    "VectorIndex",
    "build_index",
    "chroma_errors",
    "chroma_server",
    "clamp",
    "combine",
    "filters",
    "memory_bytes",
    "open_index",
    "partitions_of",
    "query_vector",
    "split_weight",
]
