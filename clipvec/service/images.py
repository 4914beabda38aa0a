"""Image files of requests, decoded for the encoder.

Images that announce much work wait in a queue of their own, so that they hold up no others.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from fastapi import HTTPException

from clipvec.data import Undecodable, announced_pixels, is_light
from clipvec.errors import ConfigError
from clipvec.model import ImageReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from clipvec.model import Preprocess

_TOGETHER = 2
"""Times ``max_pixels`` that the images of a request may have together."""
_URL_SAFE = str.maketrans("-_", "+/")
_THREADS = 2
_WAITING = 8
"""Images that may wait to be decoded apart."""

Result = TypeVar("Result")
File = tuple[str, bytes]
"""What it is called in an error, and its bytes."""


class ImageDecoder:
    """Decodes image files in its own threads.

    Args:
        preprocess: the encoder's.
        max_pixels: of one image.
        max_seconds: of a processor, for one image.
    """

    def __init__(self, preprocess: Preprocess, max_pixels: int, max_seconds: int) -> None:
        self._max_pixels = max_pixels
        self._reader = ImageReader(
            preprocess, max_pixels=max_pixels, max_seconds=max_seconds, threads=_THREADS
        )
        self._threads = ThreadPoolExecutor(_THREADS, "images")
        self._apart = ThreadPoolExecutor(self._reader.processes, "large images")
        self._waiting = 0

    async def from_base64(self, texts: Sequence[str]) -> list[bytes]:
        """Return the files that stand in a request as base64.

        Raises:
            ConfigError: one of them does not.
        """
        return await self._run(lambda: [*map(_decoded, texts)]) if texts else []

    async def check(self, files: Sequence[bytes]) -> None:
        """Refuse images of a request that would take too long to decode.

        Raises:
            ConfigError: they have too many pixels together.
        """
        total = await self._run(lambda: sum(map(self._pixels, files))) if files else 0
        most = _TOGETHER * self._max_pixels
        if total > most:
            raise ConfigError(
                f"the images have {total} pixels together, over {_TOGETHER} x max_pixels={most}; "
                "send fewer of them at once, or smaller ones"
            )

    async def __call__(self, file: File) -> np.ndarray:
        """Return an image as the encoder takes it.

        Raises:
            ConfigError: it cannot be decoded.
            HTTPException: it announces much work, and too many like it are waiting.
        """
        if await self._run(lambda: is_light(file[1])):
            return await self._run(lambda: self._decode(*file))
        if self._waiting >= _WAITING + self._reader.processes:
            reason = f"{file[0]} takes long to decode, and others like it are waiting; retry later"
            raise HTTPException(429, reason, {"Retry-After": "5"})
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._apart, lambda: self._decode(*file))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Finish what is being worked on, but for images that are decoded apart."""
        self._reader.close()
        for threads in (self._threads, self._apart):
            threads.shutdown(cancel_futures=True)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _pixels(self, file: bytes) -> int:
        pixels = announced_pixels(file)
        return self._max_pixels if pixels is None else pixels

    def _decode(self, name: str, file: bytes) -> np.ndarray:
        try:
            return self._reader(file).pixels
        except Undecodable as error:
            raise ConfigError(f"{name} cannot be used: {error}") from error


def _decoded(text: str) -> bytes:
    """Return what stands in base64: of either alphabet, with line ends, or as a data URL."""
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise ConfigError("image is a data URL without base64; send data:image/...;base64,...")
    text = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
    text += "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"image is not base64: {error}") from error
