"""The image of a table's row: its bytes, its path, or Hugging Face's struct of both."""

from __future__ import annotations

from posixpath import join
from typing import TYPE_CHECKING

from clipvec.data.fetch import read_files
from clipvec.data.files import display_url

if TYPE_CHECKING:
    from collections.abc import Sequence


def read_images(
    cells: Sequence[object], folder: str
) -> list[tuple[bytes | OSError | None, str | None]]:
    """Return the encoded image of each cell, None where the cell is empty, and its address.

    A path is absolute, a URL, or relative to ``folder``; the files of one call are read at once.
    The address is that path, without a URL's query; None where the cell itself holds the image.

    Raises:
        DatasetError: a store of image files cannot be reached.
    """
    images = [_content(cell) for cell in cells]
    paths = {
        index: image if "://" in image else join(folder, image)
        for index, image in enumerate(images)
        if isinstance(image, str)
    }
    found = dict(zip(paths, read_files(list(paths.values())), strict=True))
    return [
        (found[index], display_url(paths[index])) if isinstance(image, str) else (image, None)
        for index, image in enumerate(images)
    ]


def _content(cell: object) -> bytes | str | None:
    """Return the bytes of a cell, or the path where they are."""
    if isinstance(cell, dict):
        return _content(cell.get("bytes")) or _content(cell.get("path"))
    return cell if isinstance(cell, bytes) or (isinstance(cell, str) and cell) else None
