"""How much work an image file announces, before it is decoded."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from clipvec.config import JXL
from clipvec.data import jxl
from clipvec.data.formats import known_by_mark

if TYPE_CHECKING:
    from collections.abc import Callable

LIGHT_PIXELS = 2**24
"""Most pixels of a light image; 4 times as many of a JPEG, which is scaled while it is decoded."""
_JPEG_FACTOR = 4
_LIGHT_BYTES = 2**23
_SIMPLE = frozenset({"JPEG", "PNG", "WebP", "BMP"})
"""Formats whose decoders do work in proportion to pixels and bytes. A TIFF may hold any codec."""
_FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "TIFF")
"""Those of which Pillow tells the size without decoding."""
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
    if name not in _SIMPLE or len(data) > _LIGHT_BYTES:
        return False
    pixels = announced_pixels(data)
    if not pixels:  # may be read after a repair, of any size
        return False
    if name == "JPEG":
        return pixels * data.count(_SCAN) <= _JPEG_FACTOR * LIGHT_PIXELS
    return pixels <= LIGHT_PIXELS


def announced_pixels(data: bytes) -> int | None:
    """Return width x height by the header; 0: Pillow cannot tell, None: not in a moment."""
    name = known_by_mark(data)
    if name == "GIF":  # Pillow reads comments first, in pieces of as little as a byte
        return int.from_bytes(data[6:8], "little") * int.from_bytes(data[8:10], "little")
    if name == "PNG" and not _ends(data, 8, _after_chunk):
        return None
    if name == "JPEG" and not _ends(data, 2, _after_segment):
        return None
    try:
        if name == JXL.kind:
            header = jxl.read_header(data)
            return header.width * header.height
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            return int(image.width * image.height)
    except Exception:  # Pillow's openers raise nearly every class there is
        return 0


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
    if mark == b"\xff\xff":
        return place + 1  # a fill byte
    if mark[0] != 0xFF or mark[1:] in {b"", b"\x00"}:  # Pillow searches byte by byte
        return -1
    return place + 2 + int.from_bytes(data[place + 2 : place + 4])
