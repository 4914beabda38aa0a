#!/usr/bin/env bash
# rawpy (LibRaw): extract_thumb gives the raw file's JPEG preview with other Exif: no place, no artist, 1970.
#
# Versions: rawpy 0.28.0, pillow 13.0.0, numpy 2.4.6.
# Guess: `extract_thumb` returns the JPEG as it lies in the file; rawpy's docstring says of a JPEG thumbnail that
#   its bytes "can be written as-is to file".
# Seen: the pixels are the same and the bytes are not. The preview's own Exif (artist, date of 2020, latitude)
#   is replaced by a block that LibRaw makes from what it knows: Make and Model of the raw file, Software
#   "dcraw v9.26", an empty Artist, and the date 1970:01:01 00:00:00 where the raw file's directory
#   names none. GPS is missing.
# Matters: dates, places and artists read from extracted previews are lost or wrong (all photos of
#   one day in 1970), and hashes of them differ from those of the preview in the file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet rawpy==0.28.0 pillow==13.0.0 numpy==2.4.6
TZ=UTC "$folder/venv/bin/python" - <<'PY'
import io
import struct

import numpy as np
import rawpy
from PIL import Image

ARTIST, DATE, SOFTWARE, PLACE = 0x013B, 0x0132, 0x0131, 0x8825
BYTE, TEXT, SHORT, LONG, RATIONAL, SIGNED = 1, 2, 3, 4, 5, 10
FORMATS = {BYTE: "B", TEXT: "B", SHORT: "H", LONG: "I", RATIONAL: "II", SIGNED: "ii"}


def directory(entries: list[tuple[int, int, list[int]]], at: int) -> bytes:
    """Return a TIFF directory of (tag, type, numbers), sorted by tag, that begins at an offset."""
    fixed, behind = struct.pack("<H", len(entries)), b""
    start = at + 2 + 12 * len(entries) + 4
    for tag, kind, numbers in entries:
        form = FORMATS[kind]
        value = struct.pack(f"<{form[0] * len(numbers)}", *numbers)
        fixed += struct.pack("<HHI", tag, kind, len(numbers) // len(form))
        if len(value) <= 4:
            fixed += value.ljust(4, b"\0")
        else:
            fixed += struct.pack("<I", start + len(behind))
            behind += value + b"\0" * (len(value) % 2)
    return fixed + bytes(4) + behind


def pages(preview: int, inner: int, preview_at: int, sensor_at: int) -> tuple[bytes, int]:
    """Return the header and both directories of a DNG, and where the second begins."""
    unit = [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]
    first = directory(
        [
            *[(254, LONG, [1]), (256, LONG, [320]), (257, LONG, [240]), (258, SHORT, [8, 8, 8])],
            *[(259, SHORT, [7]), (262, SHORT, [6]), (271, TEXT, [*b"Maker\0"])],
            *[(272, TEXT, [*b"Model\0"]), (273, LONG, [preview_at]), (274, SHORT, [1])],
            *[(277, SHORT, [3]), (278, LONG, [240]), (279, LONG, [preview]), (330, LONG, [inner])],
            *[(50706, BYTE, [1, 4, 0, 0]), (50721, SIGNED, unit), (50728, RATIONAL, [1] * 6)],
        ],
        8,
    )
    second = directory(
        [
            *[(254, LONG, [0]), (256, LONG, [64]), (257, LONG, [48]), (258, SHORT, [16])],
            *[(259, SHORT, [1]), (262, SHORT, [32803]), (273, LONG, [sensor_at])],
            *[(277, SHORT, [1]), (278, LONG, [48]), (279, LONG, [64 * 48 * 2])],
            *[(33421, SHORT, [2, 2]), (33422, BYTE, [0, 1, 1, 2]), (50717, LONG, [4095])],
        ],
        8 + len(first),
    )
    return b"II*\0\x08\0\0\0" + first + second, 8 + len(first)


exif = Image.Exif()
exif[ARTIST], exif[DATE] = "Ansel", "2020:01:02 03:04:05"
exif.get_ifd(PLACE).update({1: "N", 2: (48.0, 30.0, 0.0)})
buffer = io.BytesIO()
Image.new("RGB", (320, 240), "teal").save(buffer, "JPEG", exif=exif)
preview = buffer.getvalue()
padded = preview + b"\0" * (len(preview) % 2)
head, inner = pages(len(preview), 0, 0, 0)
head, _ = pages(len(preview), inner, len(head), len(head) + len(padded))
raw = head + padded + struct.pack("<H", 2000) * 64 * 48
with rawpy.imread(io.BytesIO(raw)) as opened:
    thumb = opened.extract_thumb()
assert thumb.format == rawpy.ThumbFormat.JPEG

stored, given = Image.open(io.BytesIO(preview)), Image.open(io.BytesIO(thumb.data))
for name, image in (("in the file", stored), ("extracted", given)):
    tags = image.getexif()
    values = [tags.get(tag) for tag in (ARTIST, DATE, SOFTWARE)]
    print(f"{name}: artist, date, software {values}, place {tags.get_ifd(PLACE)}")
assert np.array_equal(np.asarray(stored), np.asarray(given))
assert thumb.data != preview and stored.getexif().get_ifd(PLACE)[2] == (48, 30, 0)
tags = given.getexif()
assert not tags[ARTIST] and tags[DATE] == "1970:01:01 00:00:00" and not tags.get_ifd(PLACE)
PY
