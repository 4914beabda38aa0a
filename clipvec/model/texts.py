"""Many texts to vectors, by the model of a store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from clipvec.config import ModelConfig
from clipvec.model.load import load_checked
from clipvec.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.store import Store

log = logging.getLogger(__name__)
_TEXTS = 64
"""Texts of one forward pass."""


def encode_texts(store: Store, texts: Sequence[str]) -> np.ndarray:
    """Return texts as a store's own model encodes them: float32 [N, D], unit length.

    Raises:
        FingerprintError: the model that loads under its name is another one.
        ModelError: it cannot be loaded.
    """
    wanted = ModelConfig.of_store(store.model)
    log.info("encoding %s texts with model %s", f"{len(texts):,}", wanted.name)
    encoder = load_checked(store.fingerprint.model, wanted, f"the store {store.url}")
    vectors = []
    with Progress() as progress:
        task = progress.task("texts", len(texts), "texts")
        for first in range(0, len(texts), _TEXTS):
            vectors.append(encoder.encode_texts(texts[first : first + _TEXTS]))
            task.advance(len(vectors[-1]))
    return np.concatenate(vectors)
