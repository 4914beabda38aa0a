"""How much memory an index will take, estimated before it is built."""

from __future__ import annotations

from typing import Any

from clipvec.errors import ConfigError
from clipvec.machine import free_bytes

PROCESS_BYTES = 250_000_000
"""A process that has loaded FAISS and a chunk of rows."""
GROWTH = 1.5
"""FAISS's arrays double as they grow, so that they are a half larger than what they hold, in the
mean; measured 1.3 (HNSW) to 1.5 (Flat) over 100,000 rows x 256."""
TRAINING = 3
"""Copies of the training sample that are alive at once: drawn, transformed, residuals."""


def estimate_bytes(index: Any, rows: int, train_rows: int) -> int:
    """Return the bytes of memory that a process needs to build a FAISS index.

    A row takes 4 D in Flat, 8 M more in HNSW (FAISS's guide), the bytes of its code in PQ and SQ,
    8 for its number in inverted lists.

    Args:
        index: without vectors.
        rows: that will be added.
        train_rows: that it is trained with.
    """
    training = TRAINING * 4 * index.d * train_rows
    return int(PROCESS_BYTES + max(training, GROWTH * rows * row_bytes(index)) + _fixed(index))


def row_bytes(index: Any) -> float:
    """Return the bytes that a FAISS index takes for a row."""
    import faiss

    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexPreTransform | faiss.IndexIDMap):
        return row_bytes(index.index) + 8 * isinstance(index, faiss.IndexIDMap)
    if isinstance(index, faiss.IndexRefine):
        return row_bytes(index.base_index) + row_bytes(index.refine_index)
    if isinstance(index, faiss.IndexHNSW):
        # 2 M links of 4 bytes, an offset and a level, and the few links of upper levels
        return row_bytes(index.storage) + float(4 * index.hnsw.nb_neighbors(0) + 20)
    if isinstance(index, faiss.IndexIVF):
        return float(index.code_size + 8)
    return float(index.sa_code_size())


def _fixed(index: Any) -> float:
    """Return the bytes of the centroids."""
    import faiss

    inverted = faiss.try_extract_index_ivf(index)
    return inverted.nlist * row_bytes(inverted.quantizer) if inverted else 0


def check(need: int, what: str) -> None:
    """Refuse what will take more memory than there is.

    Raises:
        ConfigError: with both numbers.
    """
    free = free_bytes()
    if need > free:
        raise ConfigError(
            f"{what} would take about {need / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; "
            "leave it out, use a larger machine, or an index of smaller codes such as "
            "IVF{nlist},PQ{m}np"
        )
