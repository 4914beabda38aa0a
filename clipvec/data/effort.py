"""How much work an image file announces, before it is decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.data.formats import known_by_mark, open_image

if TYPE_CHECKING:
    from collections.abc import Callable

LIGHT_PIXELS = 2**24
"""Most pixels of a light image; 4 times as many of a JPEG, which is scaled while it is decoded."""
_JPEG_FACTOR = 4
_LIGHT_BYTES = 2**23
_SIMPLE = frozenset({"JPEG", "PNG", "WebP", "BMP"})
"""Formats whose decoders do work in proportion to pixels and bytes. A TIFF may hold any codec."""
_PIECES = 10_000
"""Most pieces of a header that Pillow goes over in Python, some ten microseconds each."""
_SCAN = b"\xff\xda"


def is_light(data: bytes) -> bool:
    """Return whether a file announces so little that any thread may decode it: seconds at worst.

    Each scan of a JPEG goes over all pixels, and a file of some kilobytes may have thousands.
    """
    name = known_by_mark(data)
    if name is None:
        return True  # refused by its first bytes
    if name not in _SIMPLE or len(data) > _LIGHT_BYTES or not is_soon_opened(data):
        return False
    try:
        width, height = open_image(data).size
    except Exception:  # may be read after a repair, of any size
        return False
    if name == "JPEG":
        return width * height * data.count(_SCAN) <= _JPEG_FACTOR * LIGHT_PIXELS
    return width * height <= LIGHT_PIXELS


def is_soon_opened(data: bytes) -> bool:
    """Return whether Pillow finds the size of an image in a moment, whatever the file is."""
    name = known_by_mark(data)
    if name == "PNG":
        return _ends(data, 8, _after_chunk)
    if name == "JPEG":
        return _ends(data, 2, _after_segment)
    return name != "GIF"  # its comments are in pieces of as little as a byte


def _ends(data: bytes, place: int, after: Callable[[bytes, int], int]) -> bool:
    """Return whether a header ends after few pieces, of which the first begins at ``place``."""
    for _ in range(_PIECES):
        following = after(data, place)
        if following <= place:
            return following == place
        place = following
    return False


def _after_chunk(data: bytes, place: int) -> int:
    """Return where the next chunk of a PNG begins, or ``place`` at the end."""
    if place >= len(data) or data[place + 4 : place + 8] == b"IEND":
        return place
    return place + 12 + int.from_bytes(data[place : place + 4])


def _after_segment(data: bytes, place: int) -> int:
    """Return where the next segment of a JPEG begins, ``place`` at the first scan, -1: unknown."""
    mark = data[place : place + 2]
    if place >= len(data) or mark == _SCAN:
        return place
    if mark[0] != 0xFF or mark[1:] in {b"", b"\x00", b"\xff"}:  # searched byte by byte
        return -1
    return place + 2 + int.from_bytes(data[place + 2 : place + 4])
