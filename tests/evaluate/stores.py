"""Stores of given vectors, captions and categories."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clipvec.store import Rows, Store
from clipvec.store.schema import Row
from clipvec.vectors import unit
from tests.stores import make_store


def store_of(
    root: Path,
    vectors: np.ndarray,
    captions: Sequence[str | None],
    categories: Sequence[str | None] = (),
    weights: str = "w" * 64,
    **about: Any,
) -> Rows:
    """Return the rows of a finished store in three parts of two shards, with ids ``0``, ``1``, …"""
    store = make_store(root, {}, dim=vectors.shape[1], count=2, weights=weights, **about)
    for shard, rows in enumerate(np.array_split(np.arange(len(vectors)), [len(vectors) // 3])):
        writer = store.writer(shard)
        for part in np.array_split(rows, shard + 1):
            made = [_row(n, captions[n], categories[n] if categories else None) for n in part]
            writer.write_part(made, vectors[part], int(part[-1]) + 1)
        writer.commit({})
    return Rows.open(store.url)


def _row(number: int, caption: str | None, category: str | None) -> Row:
    attributes = {"category": category, "stars": 3, "ratio": None, "nice": None}
    return Row(str(number), f"{number}.jpg", caption, 8, 8, None, attributes)


def vectors_of(rows: Rows) -> np.ndarray:
    """Return all vectors of a store, float32 [N, D], unit length."""
    return unit(np.concatenate([vectors for _, vectors in rows.chunks()]))


def random_vectors(count: int, dim: int = 16, seed: int = 0) -> np.ndarray:
    """Return unit vectors in random directions, float32 [N, D]."""
    return unit(np.random.default_rng(seed).normal(size=(count, dim)))


def opened(root: Path) -> Store:
    """Return the store that `store_of` made."""
    return Store.open(f"{root}/toys/toy")
