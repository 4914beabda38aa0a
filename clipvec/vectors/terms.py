"""A query as a weighted sum of texts and images."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_WEIGHTED = re.compile(r"(.+)\^(\d+(?:\.\d+)?|\.\d+)", re.DOTALL)
_LEAST_NORM = 1e-6


def split_weight(term: str) -> tuple[str, float]:
    """Return a term and its weight: ``a red bird^1.5`` weighs 1.5, without a suffix it is 1."""
    match = _WEIGHTED.fullmatch(term)
    return (match[1], float(match[2])) if match else (term, 1.0)


def combine(vectors: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Return the weighted sum of unit vectors, float32 [T, D], as a unit vector, float32 [D].

    Raises:
        ConfigError: the terms cancel each other out.
    """
    total = np.asarray(weights, dtype=np.float64) @ vectors.astype(np.float64)
    norm = float(np.linalg.norm(total))
    if norm < _LEAST_NORM:
        raise ConfigError("the terms of the query cancel each other out; change their weights")
    return (total / norm).astype(np.float32)
