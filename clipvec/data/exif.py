"""When and with what a photo was taken, as its EXIF says."""

from __future__ import annotations

import re
import struct
from datetime import datetime
from typing import TYPE_CHECKING

from PIL import ExifTags

from clipvec.data import jxl, tiff
from clipvec.errors import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clipvec.config import AttributeType
    from clipvec.data.record import Value

ATTRIBUTES: Mapping[str, AttributeType] = {"taken": "string", "year": "int", "camera": "string"}
"""Attributes that a photo has of itself, and their types."""
_STARTS = (b"MM\0*\0\0\0\x08", b"II*\0\x08\0\0\0")
"""How EXIF begins in every format: as a TIFF whose first directory is behind its header."""
_BLOCKS = 4
_MOST = 2**16
_BEFORE = 2**18
"""Bytes in which EXIF begins, but for WebP, HEIC, AVIF and JPEG XL, where it may be anywhere."""
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
    """Return the `ATTRIBUTES` of an image file, without those that it does not tell."""
    texts: dict[int, str] = {}
    for block in _blocks(image):
        try:
            texts = _all_texts(block) | texts
        except struct.error:  # damaged EXIF says nothing of the pixels
            continue
    taken = _moment(texts.get(ExifTags.Base.DateTimeOriginal, ""))
    taken = taken or _moment(texts.get(ExifTags.Base.DateTimeDigitized, ""))
    camera = _camera(texts.get(ExifTags.Base.Make, ""), texts.get(ExifTags.Base.Model, ""))
    found: dict[str, Value] = {} if camera is None else {"camera": camera}
    if taken is not None:
        found |= {"taken": taken.isoformat(" "), "year": taken.year}
    return found


def _blocks(image: bytes) -> list[bytes]:
    """Return EXIF from its first byte on; a CR3 has the camera and the date in a block each."""
    if image.startswith((b"MM", b"II")):
        return [image]
    if image.startswith(jxl.CONTAINER):
        image = jxl.exif(image)
    anywhere = image[4:8] == b"ftyp" or image.startswith(b"RIFF")
    end = len(image) if anywhere else _BEFORE
    found = sorted(at for start in _STARTS for at in _places(image, start, end))
    most = _BLOCKS if image[4:12] == b"ftypcrx " else 1
    return [image[at : at + _MOST] for at in found[:most]]


def _places(image: bytes, start: bytes, end: int) -> Iterator[int]:
    """Yield where a mark begins, of the first few."""
    at = -1
    for _ in range(_BLOCKS):
        at = image.find(start, at + 1, end)
        if at < 0:
            return
        yield at


def _all_texts(block: bytes) -> dict[int, str]:
    """Return the short texts of the first directory and of that of EXIF, by their tags.

    Raises:
        struct.error: a directory is cut off.
    """
    first = next(tiff.directories(block), None)
    if first is None:
        return {}
    outer = _wanted(block, first)
    texts = _texts(block, outer)
    if ExifTags.IFD.Exif not in outer:
        return texts
    (start,) = struct.unpack(f"{tiff.byte_order(block)}I", outer[ExifTags.IFD.Exif].value)
    return texts | _texts(block, _wanted(block, start))


def _wanted(block: bytes, start: int) -> dict[int, tiff.Entry]:
    return {entry.tag: entry for entry in tiff.entries(block, start) if entry.tag in _WANTED}


def _texts(block: bytes, entries: Mapping[int, tiff.Entry]) -> dict[int, str]:
    found = {}
    for tag, (_, _, length, value) in entries.items():
        if 4 < length <= _LONGEST:
            (start,) = struct.unpack(f"{tiff.byte_order(block)}I", value)
            written = block[start : start + length]
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
