"""Arithmetic of embeddings."""

from __future__ import annotations

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    """Return vectors scaled to unit length.

    Args:
        vectors: float [..., D], none of them zero.

    Returns:
        float32 [..., D].
    """
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)
