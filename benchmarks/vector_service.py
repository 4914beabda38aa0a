"""The query service over synthetic vectors, which are asked for by vectors: no model makes them.

CLIPVEC_SERVE="index=faiss index.path=..." bentoml serve benchmarks.vector_service:Clipvec
"""

from __future__ import annotations

import numpy as np

import clipvec.model
from clipvec.config import ModelConfig
from clipvec.model import Encoder
from clipvec.store import ModelFingerprint


class NoEncoder(Encoder):
    """Stands in the place of the model that made vectors, and encodes nothing."""

    def __init__(self, made: ModelFingerprint, config: ModelConfig, where: str) -> None:
        self.arch, self.weights = made.arch, made.weights
        self.device, self.precision = "cpu", "fp32"
        self.preprocess = None
        self._probed = made.golden.image, made.golden.text

    def probe(self) -> tuple[list[float], list[float]]:
        """Return the golden pair of the store."""
        return self._probed

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        """Refuse images."""
        raise NotImplementedError

    tokenize = encode_tokens = encode_images


clipvec.model.load_checked = NoEncoder

from clipvec.service.bento import Clipvec  # noqa: E402, F401
