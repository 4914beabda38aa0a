"""When and with what a photo was taken, as its EXIF says."""

from __future__ import annotations

import re
import struct
from datetime import datetime
from typing import TYPE_CHECKING

from PIL import ExifTags

from clipvec.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clipvec.config import AttributeType
    from clipvec.data.record import Value

ATTRIBUTES: Mapping[str, AttributeType] = {"taken": "string", "year": "int", "camera": "string"}
"""Attributes that a photo has of itself, and their types."""
_STARTS = (b"MM\0*\0\0\0\x08", b"II*\0\x08\0\0\0")
"""How EXIF begins in every format: as a TIFF whose first directory is behind its header."""
_MOST = 2**16
_BEFORE = 2**18
"""Bytes in which EXIF begins, but for WebP, HEIC and AVIF, where it may be anywhere."""
_WANTED = frozenset(
    {
        ExifTags.Base.Make,
        ExifTags.Base.Model,
        ExifTags.Base.DateTimeOriginal,
        ExifTags.Base.DateTimeDigitized,
        ExifTags.IFD.Exif,
    }
)
_LONGEST = 512
"""Bytes of a date, or of a camera's name."""
_DATE = re.compile(r"(\d{4}):(\d\d):(\d\d)[ T](\d\d):(\d\d):(\d\d)")


def photo_attributes(image: bytes) -> dict[str, Value]:
    """Return the `ATTRIBUTES` of an image file, without those that it does not tell.

    A few tags are looked at, here: a decoder may end the process over a damaged file, and Pillow
    makes numbers of all tags, which are as many as a hostile file has bytes.
    """
    try:
        outer, inner = _directories(_block(image))
    except struct.error:  # damaged EXIF says nothing of the pixels
        return {}
    taken = _moment(inner.get(ExifTags.Base.DateTimeOriginal, ""))
    taken = taken or _moment(inner.get(ExifTags.Base.DateTimeDigitized, ""))
    camera = _camera(outer.get(ExifTags.Base.Make, ""), outer.get(ExifTags.Base.Model, ""))
    found: dict[str, Value] = {} if camera is None else {"camera": camera}
    if taken is not None:
        found |= {"taken": taken.isoformat(" "), "year": taken.year}
    return found


def _block(image: bytes) -> bytes:
    """Return EXIF from its first byte on; empty: there is none."""
    if image.startswith((b"MM", b"II")):
        return image
    anywhere = image[4:8] == b"ftyp" or image.startswith(b"RIFF")
    end = len(image) if anywhere else _BEFORE
    found = [at for start in _STARTS if (at := image.find(start, 0, end)) >= 0]
    return image[min(found) : min(found) + _MOST] if found else b""


def _directories(tiff: bytes) -> tuple[dict[int, str], dict[int, str]]:
    """Return the short texts of the first directory and of that of EXIF, by their tags.

    Raises:
        struct.error: a directory is cut off.
    """
    order = "<" if tiff.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}4xI", tiff)
    outer = _entries(tiff, order, start)
    texts = _texts(tiff, order, outer)
    if ExifTags.IFD.Exif not in outer:
        return texts, {}
    (start,) = struct.unpack(f"{order}I", outer[ExifTags.IFD.Exif][1])
    return texts, _texts(tiff, order, _entries(tiff, order, start))


def _entries(tiff: bytes, order: str, start: int) -> dict[int, tuple[int, bytes]]:
    """Return the length of each wanted tag of a directory, and its value or where that is."""
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    entries = tiff[start + 2 : start + 2 + 12 * count]
    return {
        tag: (length, value)
        for tag, _, length, value in struct.iter_unpack(f"{order}HHI4s", entries)
        if tag in _WANTED
    }


def _texts(tiff: bytes, order: str, entries: Mapping[int, tuple[int, bytes]]) -> dict[int, str]:
    found = {}
    for tag, (length, value) in entries.items():
        if 4 < length <= _LONGEST:
            (start,) = struct.unpack(f"{order}I", value)
            written = tiff[start : start + length]
        else:
            written = value[:length]
        if len(written) == length:
            found[tag] = written.partition(b"\0")[0].decode("latin-1")
    return found


def _moment(written: str) -> datetime | None:
    match = _DATE.match(written)
    try:
        return None if match is None else datetime(*map(int, match.groups()))  # type: ignore[arg-type]
    except ValueError:  # of a camera whose clock was never set: 0000:00:00
        return None


def _camera(make: str, model: str) -> str | None:
    """Return the maker and the model: ``Canon EOS 5D`` also where the model begins with Canon."""
    maker, name = one_line(make), one_line(model)
    if name.lower().startswith(maker.lower()):
        maker = ""
    return f"{maker} {name}".strip() or None
