"""What the building of an index takes: bytes on disk and in memory, and hours of a processor."""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass

import numpy as np

from clipvec.index.buckets import MOST as MOST_BUCKETS
from clipvec.index.faiss.factory import FLAT, empty_index, inverted, lists_of
from clipvec.index.faiss.training import ROUNDS, assign, sample_rows
from clipvec.vectors import unit

_COLUMNS = 200
"""Bytes of a row beside its vector, on disk."""
_ROW_BYTES = 16
"""Bytes of a row in memory while the index is written: a row of a published index is renumbered."""
_LEAST_BYTES = 2**28
"""In memory, whatever there is to write."""
_ROW_SECONDS = 1e-4
"""Of a processor, to read a row, to encode it but for its list, and to write it twice."""
_VECTORS, _LISTS = 4096, 1024
"""Compared to learn how fast this processor is: some 50 ms."""


@dataclass(frozen=True)
class Forecast:
    """What an index takes."""

    disk_bytes: int
    """Of the index."""
    work_bytes: int
    """More on disk until it is published."""
    memory_bytes: int
    """Of the process that trains, or of the one that writes the index: the larger."""
    training_s: float
    """Of a processor."""
    rest_s: float
    """Of a processor, of all jobs together."""

    @classmethod
    def of(cls, factory: str, rows: int, dim: int) -> Forecast:
        """Return what so many rows take.

        Raises:
            ConfigError: FAISS refuses the factory string.
        """
        stored = rows * (2 * dim + _COLUMNS)
        memory = memory_bytes(factory, rows, dim)
        if factory == FLAT:
            return cls(stored, rows * _COLUMNS, memory, 0.0, rows * _ROW_SECONDS)
        lists, flops = lists_of(factory), _flops(dim)
        code = int(inverted(empty_index(factory, dim)).code_size)
        trained = ROUNDS * 2.0 * min(rows, sample_rows(factory)) * lists * dim / flops
        compared = 0.0 if "HNSW" in factory else 2.0 * rows * lists * dim / flops
        return cls(
            disk_bytes=stored + rows * (code + 8) + 4 * dim * lists,
            work_bytes=rows * (code + 4 + max(code + 12, _COLUMNS)),
            memory_bytes=memory,
            training_s=trained,
            rest_s=rows * _ROW_SECONDS + compared,
        )

    def __str__(self) -> str:
        """Return it in words."""
        return (
            f"about {self.disk_bytes / 1e9:,.1f} GB on disk and {self.work_bytes / 1e9:,.1f} GB "
            f"more until it is published, {self.memory_bytes / 1e9:,.1f} GB of memory, and "
            f"{(self.training_s + self.rest_s) / 3600:,.2g} processor hours, "
            f"{self.training_s / 3600:,.2g} of them in one job for the training"
        )


def memory_bytes(factory: str, rows: int, dim: int) -> int:
    """Return the memory that the building takes; the index itself is mapped."""
    lists = lists_of(factory)
    if not lists:
        return _ROW_BYTES * rows + _LEAST_BYTES
    sample = min(rows, sample_rows(factory))
    code = int(inverted(empty_index(factory, dim)).code_size)
    # a bucket has whole lists, and is held in three copies while it is put in order
    bucket = 3 * (code + 12) * rows // min(lists, MOST_BUCKETS)
    writing = _ROW_BYTES * rows + bucket + _LEAST_BYTES
    return 4 * dim * lists + max(2 * 4 * dim * sample, writing)


@functools.cache
def _flops(dim: int) -> float:
    """Return how many operations a second comparisons of vectors reach in this process."""
    vectors = unit(np.random.default_rng(0).normal(size=(_VECTORS, dim)))
    started = time.process_time()
    assign(vectors, vectors[:_LISTS])
    return 2.0 * _VECTORS * _LISTS * dim / max(time.process_time() - started, 1e-6)
