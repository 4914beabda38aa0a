"""Texts and images of many requests to vectors."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache

from clipvec.service.batches import Batches
from clipvec.service.images import File, ImageDecoder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from clipvec.config import ServeConfig
    from clipvec.model import Encoder

_TEXTS_KEPT = 4096
_TOGETHER = 8
"""Images of a request that are decoded and encoded at once."""


class QueryEncoder:
    """An encoder, the decoder of its images, and the vectors of texts that it was asked for.

    The encoder has one thread and works on batches. Searchers of indexes of the same model share
    it; it ends with the last of them.
    """

    def __init__(self, encoder: Encoder, settings: ServeConfig, source: object) -> None:
        self.encoder = encoder
        self.source = source
        """What it was loaded from: equal, while it would be the same if it were loaded again."""
        self._decoder = ImageDecoder(
            encoder.preprocess, settings.max_pixels, settings.max_decode_seconds
        )
        self._thread = ThreadPoolExecutor(1, "encoding")
        most = settings.max_batch_size
        self._texts = Batches("text", self._encode_texts, most, self._thread)
        self._images = Batches("image", self._encode_images, most, self._thread)
        self._text_vectors: LRUCache[str, np.ndarray] = LRUCache(_TEXTS_KEPT)
        self._users, self._lock = 1, threading.Lock()

    def shared(self) -> Self:
        """Return the same for another user, who closes it too."""
        with self._lock:
            self._users += 1
        return self

    def close(self) -> None:
        """Finish running work, if this was the last user."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
        self._decoder.close()
        self._thread.shutdown()
        # They hold this, and the model would stay in memory until a search for garbage.
        del self._texts, self._images

    async def text(self, text: str) -> np.ndarray:
        """Return the vector of a text, float32 [D], unit length."""
        found = self._text_vectors.get(text)
        if found is None:
            found = self._text_vectors[text] = await self._texts(text)
        return found

    async def base64(self, texts: Sequence[str]) -> list[File]:
        """Return the image files that stand in a request as base64.

        Raises:
            ConfigError: one of them does not, or they have too many pixels together.
        """
        files = await self._decoder.from_base64(texts)
        await self._decoder.check(files)
        return [("image", file) for file in files]

    async def image(self, file: File) -> np.ndarray:
        """Return the vector of an image file, float32 [D], unit length.

        Raises:
            ConfigError: it cannot be decoded.
        """
        return await self._images(await self._decoder(file))

    async def images(self, files: Sequence[File]) -> list[np.ndarray]:
        """Return the vectors of the image files of a request, float32 [D] each, unit length.

        Raises:
            ConfigError: one cannot be decoded, or they have too many pixels together.
        """
        await self._decoder.check([content for _, content in files])
        vectors: list[np.ndarray] = []
        for start in range(0, len(files), _TOGETHER):
            vectors += await asyncio.gather(*map(self.image, files[start : start + _TOGETHER]))
        return vectors

    async def probe(self) -> tuple[list[float], list[float]]:
        """Return the vectors of the golden pair as the encoder makes them now."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self.encoder.probe)

    def _encode_texts(self, texts: Sequence[str]) -> list[np.ndarray | Exception]:
        return list(self.encoder.encode_texts(texts))

    def _encode_images(self, pixels: Sequence[np.ndarray]) -> list[np.ndarray | Exception]:
        found: list[np.ndarray | Exception] = []
        for size in _powers(len(pixels)):
            some = pixels[len(found) : len(found) + size]
            found.extend(self.encoder.encode_images(np.stack(some)))
        return found


def _powers(number: int) -> list[int]:
    """Return the powers of two that a number is the sum of, largest first.

    torch keeps some fifty megabytes per size of a batch of images: few sizes are used.
    """
    return [1 << bit for bit in reversed(range(number.bit_length())) if number >> bit & 1]
