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
