from __future__ import annotations

import io
import json
import struct
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest
from PIL import Image

from clipvec.config import WebDatasetConfig
from clipvec.data import Dataset, Record, Reject, files, open_dataset

Items = list[Record | Reject]
Fetched = dict[str, list[int]]
"""The size of each response of a server, by path."""


def encode(colour: tuple[int, int, int] = (10, 200, 30), size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG with fewer pixels than its header says."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def write_tar(path: Path, members: Sequence[tuple[str, bytes]], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload] # a mode for each test
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def samples(first: int, count: int, prefix: str = "") -> list[tuple[str, bytes]]:
    """Members in img2dataset's layout; record k has the colour (k, 0, 0) and the caption "no k"."""
    members = []
    for number in range(first, first + count):
        key = f"{prefix}{number:09d}"
        members += [
            (f"{key}.jpg", encode((number, 0, 0))),
            (f"{key}.json", json.dumps({"number": number, "caption": "unused"}).encode()),
            (f"{key}.txt", f"no {number}\n".encode()),
        ]
    return members


def read_tars(path: str | Path | list[str], **options: object) -> Dataset:
    """Open a dataset of tars."""
    where = path if isinstance(path, list) else str(path)
    return open_dataset(
        WebDatasetConfig(kind="webdataset", name="test", path=where, **options)  # type: ignore[arg-type]
    )


def everything(dataset: Dataset, count: int) -> list[Items]:
    """The items of each shard, after checks that apply to every dataset and count."""
    shards = [list(dataset.records(shard, count)) for shard in range(count)]
    for number, items in enumerate(shards):
        assert dataset.num_items(number, count) in {None, len(items)}
        for start in range(len(items) + 2):
            assert list(dataset.records(number, count, start)) == items[start:]
    return shards


def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that datasets open from here on."""
    names: list[str] = []
    open_file = files.open_file

    def record(path: str, ahead: bool = True) -> IO[bytes]:
        names.append(Path(path).name)
        return open_file(path, ahead)

    monkeypatch.setattr(files, "open_file", record)
    return names


def ids(items: Sequence[Record | Reject]) -> list[str]:
    return [item.id for item in items]


def check_partition(dataset: Dataset, counts: Sequence[int], expected: Sequence[str]) -> None:
    """Check that every item is in exactly one shard, in overall order, for each shard count."""
    for count in counts:
        shards = everything(dataset, count)
        assert [name for items in shards for name in ids(items)] == list(expected)


def dng(preview: bytes, size: tuple[int, int], orientation: int = 1) -> bytes:
    """Return a raw file: its first page is a preview of a size, behind which is what a sensor saw.

    Args:
        preview: a JPEG, or RGB pixels.
        size: width and height.
        orientation: as EXIF numbers it.
    """
    compression, colours = (7, 6) if preview.startswith(b"\xff\xd8") else (1, 2)
    width, height = size
    sensor = struct.pack("<H", 2000) * 64 * 48
    unit = [(1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1)]
    jpeg = preview + b"\0" * (len(preview) % 2)

    def directories(inner: int, jpeg_at: int, sensor_at: int) -> tuple[bytes, int]:
        """Return the header and both directories, and where the second begins."""
        of_the_preview = {
            **{254: ("I", [1]), 256: ("I", [width]), 257: ("I", [height]), 258: ("H", [8, 8, 8])},
            **{
                259: ("H", [compression]),
                262: ("H", [colours]),
                271: ("s", [b"Maker"]),
                272: ("s", [b"Model"]),
            },
            **{273: ("I", [jpeg_at]), 274: ("H", [orientation]), 277: ("H", [3])},
            **{278: ("I", [height]), 279: ("I", [len(preview)]), 330: ("I", [inner])},
            **{50706: ("B", [1, 4, 0, 0]), 50721: ("ii", unit), 50728: ("II", [(1, 1)] * 3)},
        }
        of_the_sensor = {
            **{254: ("I", [0]), 256: ("I", [64]), 257: ("I", [48]), 258: ("H", [16])},
            **{259: ("H", [1]), 262: ("H", [32803]), 273: ("I", [sensor_at]), 277: ("H", [1])},
            **{278: ("I", [48]), 279: ("I", [len(sensor)]), 33421: ("H", [2, 2])},
            **{33422: ("B", [0, 1, 1, 2]), 50717: ("I", [4095])},
        }
        first = _directory(of_the_preview, 8)
        at = 8 + len(first)
        return b"II*\0\x08\0\0\0" + first + _directory(of_the_sensor, at), at

    head, inner = directories(0, 0, 0)
    head, _ = directories(inner, len(head), len(head) + len(jpeg))
    return head + jpeg + sensor


_TYPES = {"B": 1, "s": 2, "H": 3, "I": 4, "II": 5, "ii": 10}


def _directory(tags: dict[int, tuple[str, list]], at: int) -> bytes:
    """Return a directory of a TIFF that begins at a place, and the values that it refers to."""
    entries, behind = struct.pack("<H", len(tags)), b""
    for tag, (kind, values) in sorted(tags.items()):
        count = len(values[0]) + 1 if kind == "s" else len(values)
        if kind == "s":
            data = values[0] + b"\0"
        else:
            each = [value if isinstance(value, tuple) else (value,) for value in values]
            data = b"".join(struct.pack(f"<{kind}", *value) for value in each)
        if len(data) > 4:
            place = at + 2 + 12 * len(tags) + 4 + len(behind)
            behind += data + b"\0" * (len(data) % 2)
            data = struct.pack("<I", place)
        entries += struct.pack("<HHI", tag, _TYPES[kind], count) + data.ljust(4, b"\0")
    return entries + struct.pack("<I", 0) + behind
