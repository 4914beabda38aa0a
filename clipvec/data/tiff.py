"""Directories of a TIFF, which raw files and EXIF are too.

They are read here where a decoder could end the process over a damaged file, and where Pillow would
make numbers of all tags, which are as many as a hostile file has bytes, and warn of damaged ones.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENTRY_BYTES = 12


class Entry(NamedTuple):
    """A tag of a directory."""

    tag: int
    type: int
    """Number of its type; 3: 16 bits without a sign, 4: 32."""
    length: int
    """How many values."""
    value: bytes
    """The values, 4 bytes, or where they are."""


def is_big(tiff: bytes) -> bool:
    """Return whether it is a BigTIFF, whose directories have another layout."""
    return 43 in tiff[2:4]


def byte_order(tiff: bytes) -> str:
    """Return the order of a TIFF's bytes as `struct` writes it."""
    return "<" if tiff.startswith(b"II") else ">"


def directories(tiff: bytes) -> Iterator[int]:
    """Yield where the directory of each page begins.

    Raises:
        struct.error: the file is cut off.
    """
    order, place, seen = byte_order(tiff), 4, set()
    while (start := struct.unpack_from(f"{order}I", tiff, place)[0]) and start not in seen:
        seen.add(start)
        yield start
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        place = start + 2 + _ENTRY_BYTES * count


def entries(tiff: bytes, start: int) -> Iterator[Entry]:
    """Yield the tags of the directory that begins at ``start``.

    Raises:
        struct.error: it is cut off.
    """
    order = byte_order(tiff)
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    found = tiff[start + 2 : start + 2 + _ENTRY_BYTES * count]
    return (Entry(*each) for each in struct.iter_unpack(f"{order}HHI4s", found))
