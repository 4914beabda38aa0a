"""The image of a table's row: its bytes, its path, or Hugging Face's struct of both."""

from __future__ import annotations

import re
from posixpath import join
from typing import TYPE_CHECKING

from clipvec.data.fetch import read_files
from clipvec.data.files import display_url
from clipvec.data.regular import TooManyBytes
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


_BASE64 = re.compile(r"data:image/|(/9j/|iVBORw0KGgo|UklGR|R0lGOD|Qk0|SUkq)[A-Za-z0-9+/=\s]{200}")
"""Text that begins as JPEG, PNG, WebP, GIF, BMP and TIFF do in base64, or a data URL."""


def read_images(
    cells: Sequence[object], folder: str, most: int, column: str, table: str
) -> list[tuple[bytes | OSError | None, str | None]]:
    """Return the encoded image and the address of each cell; None for an empty cell.

    A path is absolute, a URL, or relative to ``folder``; files of one call are read concurrently.
    The address is that path, without the secrets of a URL; None if the cell holds the image.
    An image of more than ``most`` bytes is an error.

    Args:
        cells: of the image column.
        folder: of the table.
        most: bytes of an image.
        column: the column's name, for messages.
        table: where it is, for messages.

    Raises:
        ConfigError: the text is an image in base64.
        DatasetError: a store of image files cannot be reached.
    """
    images = [_content(cell) for cell in cells]
    for image in images:
        if isinstance(image, str) and _BASE64.match(image):
            raise ConfigError(
                f"dataset.image={column} is a column of images as base64 text in {table}; allowed "
                "as text: a path or a URL; write it as binary: base64.b64decode(text)"
            )
    paths = {
        index: image if "://" in image else join(folder, image)
        for index, image in enumerate(images)
        if isinstance(image, str)
    }
    found = dict(zip(paths, read_files(list(paths.values()), most), strict=True))
    return [
        (found[index], display_url(paths[index]))
        if isinstance(image, str)
        else (_within(image, most), None)
        for index, image in enumerate(images)
    ]


def _within(image: bytes | None, most: int) -> bytes | OSError | None:
    if image is not None and len(image) > most:
        return TooManyBytes.of(len(image), most)
    return image


def _content(cell: object) -> bytes | str | None:
    """Return the bytes of a cell, or the path to them."""
    if isinstance(cell, dict):
        return _content(cell.get("bytes")) or _content(cell.get("path"))
    return cell if isinstance(cell, bytes) or (isinstance(cell, str) and cell) else None
