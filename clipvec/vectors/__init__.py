"""The Chroma collection of one store: loaded from it, verified against it, searched.

A collection is a cache of the store. Its metadata says what made the vectors; a ledger beside it
says which part files it holds.
"""

from __future__ import annotations

from clipvec.vectors.build import Summary, build
from clipvec.vectors.collection import Collection, Hit
from clipvec.vectors.partitions import Partitions
from clipvec.vectors.terms import Term, query_vector, split_weight

__all__ = [
    "Collection",
    "Hit",
    "Partitions",
    "Summary",
    "Term",
    "build",
    "query_vector",
    "split_weight",
]
