"""Makes images readable that Pillow refuses although all their pixels are intact."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PNG_HEAD = 8
"""Bytes before the first chunk."""
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_ORIENTATION = (b"XML:com.adobe.xmp", b"Raw profile type exif", b"exif")
"""Keywords of text chunks that may contain the orientation."""
_TEXT_BYTES = 2**20
"""Largest such text that is kept: the most that Pillow unpacks."""


def without_metadata(png: bytes) -> bytes:
    """Return a PNG without its colour profile and texts, which can be too large for Pillow.

    A text that may contain the orientation is kept if its size is plausible.
    """
    kept = [png[:_PNG_HEAD]]
    kept.extend(chunk for kind, chunk in _chunks(png) if _is_needed(kind, chunk[8:-4]))
    return b"".join(kept)


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = _PNG_HEAD
    while at < len(png):
        end = at + 12 + int.from_bytes(png[at : at + 4], "big")  # length, kind, checksum
        yield png[at + 4 : at + 8], png[at:end]
        at = end


def _is_needed(kind: bytes, body: bytes) -> bool:
    if kind not in _TEXTS:
        return kind != b"iCCP"
    keyword, _, rest = body.partition(b"\0")
    if keyword not in _ORIENTATION or len(body) > _TEXT_BYTES:
        return False
    packed = rest[1:] if kind == b"zTXt" else None
    if kind == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].split(b"\0", 2)[-1]
    if packed is None:
        return True
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(packed, _TEXT_BYTES)
    except zlib.error:
        return False
    return not unpacker.unconsumed_tail


def jpeg_endings(jpeg: bytes) -> tuple[bytes, bytes] | None:
    """Return a JPEG without an end marker with two different endings; None: it has its marker.

    A decoder that has all pixels ignores what precedes the marker, so both give the same image.
    If pixels are missing, it decodes the bits of the second ending as pixels.
    """
    if jpeg.endswith(b"\xff\xd9"):
        return None
    begun = jpeg.removesuffix(b"\xff")  # half of the marker
    return begun + b"\xff\xd9", begun + b"\x5a\xc3" * 64 + b"\xff\xd9"
