"""When and with what a photo was taken, as its EXIF says."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from PIL import ExifTags, Image

from clipvec.errors import one_line

if TYPE_CHECKING:
    from clipvec.data.record import Value

ATTRIBUTES = frozenset({"taken", "year", "camera"})
"""Attributes that a photo has of itself."""
_STARTS = (b"MM\0*\0\0\0\x08", b"II*\0\x08\0\0\0")
"""How EXIF begins in every format: as a TIFF whose first directory is behind its header."""
_MOST = 2**16
_BEFORE = 2**18
"""Bytes in which EXIF begins, but for HEIC and AVIF, where it may be anywhere."""
_DATE = re.compile(r"(\d{4}):(\d\d):(\d\d)[ T](\d\d):(\d\d):(\d\d)")


def photo_attributes(image: bytes) -> dict[str, Value]:
    """Return the `ATTRIBUTES` of an image file, without those that it does not tell.

    Only EXIF is looked at, in Python: a decoder may end the process over a damaged file.
    """
    exif = Image.Exif()
    try:
        exif.load(_block(image))
        inner = exif.get_ifd(ExifTags.IFD.Exif)
        taken = _moment(inner.get(ExifTags.Base.DateTimeOriginal))
        taken = taken or _moment(inner.get(ExifTags.Base.DateTimeDigitized))
        camera = _camera(exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model))
    except Exception:  # damaged EXIF says nothing of the pixels
        return {}
    found: dict[str, Value] = {} if camera is None else {"camera": camera}
    if taken is not None:
        found |= {"taken": taken.isoformat(" "), "year": taken.year}
    return found


def _block(image: bytes) -> bytes:
    """Return EXIF from its first byte on; empty: there is none."""
    if image.startswith((b"MM", b"II")):
        return image
    end = len(image) if image[4:8] == b"ftyp" else _BEFORE
    found = [at for start in _STARTS if (at := image.find(start, 0, end)) >= 0]
    return image[min(found) : min(found) + _MOST] if found else b""


def _moment(written: object) -> datetime | None:
    match = _DATE.match(str(written or ""))
    try:
        return None if match is None else datetime(*map(int, match.groups()))  # type: ignore[arg-type]
    except ValueError:  # of a camera whose clock was never set: 0000:00:00
        return None


def _camera(make: object, model: object) -> str | None:
    """Return the maker and the model: ``Canon EOS 5D`` also where the model begins with Canon."""
    maker, name = (one_line(word).strip() for word in (make or "", model or ""))
    if name.lower().startswith(maker.lower()):
        maker = ""
    return f"{maker} {name}".strip() or None
