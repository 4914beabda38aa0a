from . import filters
from .base import Hit, clamp
from .build import IndexSummary, build_index, memory_bytes
from .chroma.client import chroma_errors, open_place
from .chroma.collection import Collection
from .chroma.server import chroma_server
from .chroma.writer import Built
from .partitions import Partitions
from .query import Term, combine, query_vector, split_weight

__all__ = [
    "Built",
    "Collection",
    "Hit",
    "IndexSummary",
    "Partitions",
    "Term",
    "build_index",
    "chroma_errors",
    "chroma_server",
    "clamp",
    "combine",
    "filters",
    "memory_bytes",
    "open_place",
    "query_vector",
    "split_weight",
]
