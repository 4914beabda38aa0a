"""Images whose pixels are all there although Pillow refuses the file, made readable."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PNG_HEAD = 8
"""Bytes before the first chunk."""
_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_ORIENTATION = (b"XML:com.adobe.xmp", b"Raw profile type exif", b"exif")
"""Keywords of texts that may say which way is up."""
_TEXT_BYTES = 2**20
"""Size up to which such a text is kept; it is what Pillow unpacks at most."""


def without_metadata(png: bytes) -> bytes:
    """Return a PNG without its colour profile and texts, which can be too large for Pillow.

    A text that may hold the orientation stays, where it is of a size to be believed.
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
    """Return a JPEG that lacks its end mark with two endings; None: it has its mark.

    A decoder that has all pixels ignores what stands before the mark, so that both give the same
    image. Where pixels are missing it takes the second ending's bits for them.
    """
    if jpeg.endswith(b"\xff\xd9"):
        return None
    begun = jpeg.removesuffix(b"\xff")  # half of the mark
    return begun + b"\xff\xd9", begun + b"\x5a\xc3" * 64 + b"\xff\xd9"
