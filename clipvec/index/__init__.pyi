from . import facets, filters
from .base import PART, ROW, Hit, VectorIndex, clamp, is_missing
from .build import IndexSummary, build_index
from .chroma.backend import memory_bytes
from .chroma.server import chroma_server
from .faiss.factory import num_lists
from .faiss.library import faiss_errors
from .open import Published, has_index, open_index, partition_shards, partitions_of, published
from .query import Term, combine, query_vector, split_weight
from .remains import held_indexes, rebuild, remove_leftovers
from .rows import FEW, table_fault
from .shared_build import (
    forecast_of_sweep,
    replaced_by_sweep,
    shards_of_sweep,
    unwritten_by_sweep,
)

__all__ = [
    "FEW",
    "PART",
    "ROW",
    "Hit",
    "IndexSummary",
    "Published",
    "Term",
    "VectorIndex",
    "build_index",
    "chroma_server",
    "clamp",
    "combine",
    "facets",
    "faiss_errors",
    "filters",
    "forecast_of_sweep",
    "has_index",
    "held_indexes",
    "is_missing",
    "memory_bytes",
    "num_lists",
    "open_index",
    "partition_shards",
    "partitions_of",
    "published",
    "query_vector",
    "rebuild",
    "remove_leftovers",
    "replaced_by_sweep",
    "shards_of_sweep",
    "split_weight",
    "table_fault",
    "unwritten_by_sweep",
]
