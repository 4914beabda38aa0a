"""Images and texts to vectors, whichever runtime runs the model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from clipvec.model.tokens import passes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from clipvec.model.preprocess import Preprocess
    from clipvec.model.tokens import EndOfText

_PROBE_TEXT = "a photo of a red bird on a branch, 3 apples & a bicycle"


class Encoder(ABC):
    """Embeds images and texts in one vector space."""

    preprocess: Preprocess
    arch: str
    weights: str
    """SHA-256 of the parameters."""
    device: str
    """In torch's notation: ``cpu``, ``cuda:0``, ..."""
    precision: str
    """``fp32``, ``fp16`` or ``bf16``."""
    end_of_text: EndOfText | None = None
    """Where texts may be truncated, see `clipvec.model.tokens`; None: all tokens count."""
    _golden: tuple[list[float], list[float]] | None = None

    @abstractmethod
    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        """Return uint8 [N, H, W, 3] from `preprocess` as float32 [N, D], unit length.

        Raises:
            ModelError: the batch does not fit into the device's memory.
        """

    def encode_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return texts as float32 [N, D], unit length."""
        tokens = self.tokenize(texts)
        parts = passes(tokens, self.end_of_text)
        vectors = [self.encode_tokens(tokens[rows, :length]) for rows, length in parts]
        if len(vectors) == 1:
            return vectors[0]
        order = np.argsort(np.concatenate([rows for rows, _ in parts]))
        return np.concatenate(vectors)[order]

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> np.ndarray:
        """Return the token ids of texts, padded to the model's context length: int64 [N, L]."""

    @abstractmethod
    def encode_tokens(self, tokens: np.ndarray) -> np.ndarray:
        """Return token ids, int64 [N, L], as float32 [N, D], unit length."""

    @property
    def dim(self) -> int:
        """Length of the vectors, D."""
        return len(self.golden()[0])

    def golden(self) -> tuple[list[float], list[float]]:
        """Return the embeddings of the built-in probe image and probe text."""
        if self._golden is None:
            self._golden = self.probe()
        return self._golden

    def probe(self) -> tuple[list[float], list[float]]:
        """Embed the built-in probe image and probe text now."""
        pixels = self.preprocess(_probe_image())[None]
        image, text = self.encode_images(pixels)[0], self.encode_texts([_PROBE_TEXT])[0]
        return image.tolist(), text.tolist()


def _probe_image() -> Image.Image:
    """Return an image that any error in resizing, cropping or channel order changes."""
    from PIL import Image

    y, x = np.mgrid[0:240, 0:400]
    waves = [np.sin(x / 7 + y / 31), np.cos(x / 29 - y / 5), np.sin((x * y) / 1500)]
    pixels = np.stack([(wave * 110 + 128).astype(np.uint8) for wave in waves], axis=-1)
    pixels[60:120, 80:200] = (220, 30, 40)
    pixels[150:220, 250:330] = (20, 200, 60)
    return Image.fromarray(pixels)
