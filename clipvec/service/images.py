"""Image files of requests, decoded for the encoder."""

from __future__ import annotations

import asyncio
import base64
import binascii
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

from PIL import Image

from clipvec.data import Undecodable, decode_image
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np

    from clipvec.model import Preprocess

_TOGETHER = 2
"""Times ``max_pixels`` that the images of a request may have together."""
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF")

Result = TypeVar("Result")
File = tuple[str, bytes]
"""What it is called in an error, and its bytes."""


class ImageDecoder:
    """Decodes image files in its own threads.

    Args:
        preprocess: the encoder's.
        max_pixels: of one image.
    """

    def __init__(self, preprocess: Preprocess, max_pixels: int) -> None:
        self._preprocess, self._max_pixels = preprocess, max_pixels
        self._threads = ThreadPoolExecutor(2, "images")

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
        total = await self._run(lambda: sum(map(_pixels, files))) if files else 0
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
        """
        return await self._run(lambda: self._prepared(*file))

    def close(self) -> None:
        """Finish what is being worked on."""
        self._threads.shutdown()

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _prepared(self, name: str, file: bytes) -> np.ndarray:
        try:
            picture = decode_image(file, self._preprocess.target, self._max_pixels)
        except Undecodable as error:
            raise ConfigError(f"{name} cannot be used: {error}") from error
        return self._preprocess(picture.image)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigError(f"image is not base64: {error}") from error


def _pixels(file: bytes) -> int:
    """Return what the header says; 0: `decode` will have something to say of this file."""
    try:
        with Image.open(BytesIO(file), formats=_FORMATS) as image:
            return int(image.width * image.height)
    except Exception:  # Pillow's openers raise nearly every class there is
        return 0
