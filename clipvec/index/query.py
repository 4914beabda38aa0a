"""A query as a weighted sum of texts and images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipvec.data import Undecodable, decode_image
from clipvec.errors import ConfigError
from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.model import Encoder

_WEIGHTED = re.compile(r"(.+)\^(\d+(?:\.\d+)?|\.\d+)", re.DOTALL)
_LEAST_NORM = 1e-6
_MAX_PIXELS = 200_000_000


@dataclass(frozen=True, slots=True)
class Term:
    """A text or an image, and how much it counts."""

    name: str
    """The text itself; of an image what it is called in messages."""
    weight: float = 1.0
    """Below zero it is subtracted."""
    image: bytes | None = None
    """An encoded image file; None: the term is a text."""


def split_weight(term: str) -> tuple[str, float]:
    """Return a term and its weight: ``a red bird^1.5`` weighs 1.5, without a suffix it is 1."""
    match = _WEIGHTED.fullmatch(term)
    return (match[1], float(match[2])) if match else (term, 1.0)


def query_vector(terms: Sequence[Term], encoder: Encoder) -> np.ndarray:
    """Return the weighted sum of at least one term as a unit vector, float32 [D].

    Raises:
        ConfigError: an image cannot be decoded, or the terms cancel each other out.
    """
    texts = [term for term in terms if term.image is None]
    images = [term for term in terms if term.image is not None]
    vectors = [encoder.encode_texts([term.name for term in texts])] if texts else []
    if images:
        vectors.append(encoder.encode_images(np.stack([_pixels(t, encoder) for t in images])))
    return combine(np.concatenate(vectors), [term.weight for term in texts + images])


def combine(vectors: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """Return the weighted sum of unit vectors, float32 [T, D], as a unit vector, float32 [D].

    Raises:
        ConfigError: the terms cancel each other out.
    """
    total = np.asarray(weights, dtype=np.float64) @ vectors.astype(np.float64)
    if np.linalg.norm(total) < _LEAST_NORM:
        raise ConfigError("the terms of the query cancel each other out; change their weights")
    return unit(total)


def _pixels(term: Term, encoder: Encoder) -> np.ndarray:
    try:
        image = decode_image(term.image or b"", encoder.preprocess.target, _MAX_PIXELS)
    except Undecodable as error:
        raise ConfigError(f"image {term.name!r} cannot be used: {error}") from error
    return encoder.preprocess(image.image)
