from __future__ import annotations

import io
import struct
import tracemalloc

import pytest
from PIL import ExifTags, Image

from clipvec.data.exif import photo_attributes

BASE, INNER = ExifTags.Base, ExifTags.IFD.Exif


def photo(kind: str, *, taken: str = "", make: str = "", model: str = "", **inner: str) -> bytes:
    exif = Image.Exif()
    exif[BASE.Make], exif[BASE.Model] = make, model
    exif[BASE.DateTime] = "2024:01:01 00:00:00"  # when it was edited
    exif.get_ifd(INNER).update({BASE[name]: value for name, value in inner.items()})
    if taken:
        exif.get_ifd(INNER)[BASE.DateTimeOriginal] = taken
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "green").save(buffer, kind, exif=exif.tobytes())
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_every_format(kind: str) -> None:
    data = photo(kind, taken="2019:05:14 10:20:30", make="Apple", model="iPhone 15")
    expected = {"taken": "2019-05-14 10:20:30", "year": 2019, "camera": "Apple iPhone 15"}
    assert photo_attributes(data) == expected
    assert photo_attributes(photo(kind)) == {}


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON CORPORATION NIKON D90"),
        ("", "DMC\x1b[31m", "DMC [31m"),
        ("Leica\0", "", "Leica"),
    ],
)
def test_the_camera(make: str, model: str, camera: str) -> None:
    assert photo_attributes(photo("JPEG", make=make, model=model)) == {"camera": camera}


def test_the_date() -> None:
    scanned = photo("JPEG", DateTimeDigitized="2001:02:03 04:05:06")
    assert photo_attributes(scanned)["taken"] == "2001-02-03 04:05:06"
    for written in ("0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday"):
        assert photo_attributes(photo("JPEG", taken=written)) == {}


def test_damaged_exif_is_none() -> None:
    data = photo("JPEG", taken="2019:05:14 10:20:30", model="x" * 100)
    start = data.index(b"MM\0*")
    for end in range(start, start + 200, 7):
        assert set(photo_attributes(data[:end])) <= {"taken", "year", "camera"}
    assert photo_attributes(b"") == photo_attributes(b"II*\0") == {}


def test_webp_has_it_behind_its_pixels() -> None:
    data = photo("WEBP", taken="2019:05:14 10:20:30")
    start = data.index(b"MM\0*")
    assert photo_attributes(data[:start] + bytes(2**18) + data[start:])["year"] == 2019


def test_only_the_wanted_tags_are_read() -> None:
    many = 2**18
    rationals = struct.pack("<HHII", BASE.ExposureTime, 5, many, 8)
    long = struct.pack("<HHII", BASE.DateTimeOriginal, 2, many, 8)
    digitized = struct.pack("<HHII", BASE.DateTimeDigitized, 2, 19, 26)
    inner = struct.pack("<H", 60_003) + rationals * 60_000 + rationals + long + digitized
    outer = struct.pack("<HHHII", 1, INNER, 4, 1, 45)
    date = b"2019:05:14 10:20:30"
    data = struct.pack("<2sHI", b"II", 42, 8) + outer + bytes(4) + date + inner
    tracemalloc.start()
    try:
        found = photo_attributes(data + bytes(8 * many))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found["year"] == 2019
    assert peak < 8 * 2**20
