"""How much work an image file announces, before it is decoded."""

from __future__ import annotations

from clipvec.data.formats import known_by_mark, open_image

LIGHT_PIXELS = 2**24
"""Most pixels of a light image; 4 times as many of a JPEG, which is scaled while it is decoded."""
_JPEG_FACTOR = 4
_LIGHT_BYTES = 2**23
_SIMPLE = frozenset({"JPEG", "PNG", "WebP", "GIF", "BMP"})
"""Formats whose decoders do work in proportion to pixels and bytes. A TIFF may hold any codec."""
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
    try:
        width, height = open_image(data).size
    except Exception:  # may be read after a repair, of any size
        return False
    if name == "JPEG":
        return width * height * data.count(_SCAN) <= _JPEG_FACTOR * LIGHT_PIXELS
    return width * height <= LIGHT_PIXELS
