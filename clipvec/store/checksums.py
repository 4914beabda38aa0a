"""Checksums of part files.

Each part, and each ledger of rejects, carries one of its own, its seal, by which an open shard's
files are taken over. The commit marker has two of a part: that of the file, and that of all but the
thumbnails, which are fifteen in sixteen of the bytes and which neither `clipvec index` nor
`clipvec recall` reads.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa
    import pyarrow.parquet as pq

    from clipvec.store.folder import Folder
    from clipvec.store.part import Part

SEAL = b"clipvec.sha256"
"""Footer key: the SHA-256 of the file with `BLANK` in the place of this value."""
BLANK = b"0" * 64
THUMBNAIL = "thumbnail"


def seal(data: bytes) -> bytes:
    """Return a file whose seal was `BLANK`, sealed."""
    at = data.rindex(BLANK)
    return b"".join([data[:at], sha256(data).encode(), data[at + len(BLANK) :]])


def is_sealed(data: bytes, value: bytes) -> bool:
    """Return whether ``value``, from the footer of ``data``, is its seal."""
    at = data.rfind(value)
    blank = (data[:at], BLANK, data[at + len(value) :])
    return len(value) == len(BLANK) and at >= 0 and sha256(*blank) == value.decode(errors="replace")


def sha256(*pieces: bytes | memoryview) -> str:
    """Return the SHA-256 of pieces of bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def without_thumbnails(footer: pq.FileMetaData, size: int) -> list[tuple[int, int]]:
    """Return the ranges of a part's bytes, [start, stop), that hold all but its thumbnails.

    Args:
        footer: of the part.
        size: bytes of the file.

    Raises:
        ValueError: the footer speaks of bytes outside of the file.
    """
    ranges, at = [], 0
    for start, stop in sorted(_thumbnails(footer)):
        if not at <= start <= stop <= size:
            raise ValueError(f"its footer names bytes {start} to {stop} of {size}")
        ranges.append((at, start))
        at = stop
    return [*ranges, (at, size)]


def _thumbnails(footer: pq.FileMetaData) -> Iterable[tuple[int, int]]:
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for column in range(group.num_columns):
            chunk = group.column(column)
            if chunk.path_in_schema == THUMBNAIL:
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                yield start, start + chunk.total_compressed_size


def compare(folder: Folder, part: Part, whole: bool) -> pa.BufferReader:
    """Return a part as a file to read, without its thumbnails unless ``whole``.

    Raises:
        ValueError: it has another checksum than was committed.
        OSError: it cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with folder.open(part.file) as file:
        size = file.seek(0, os.SEEK_END)
        if size != part.bytes:
            raise ValueError(f"it has {size:,} bytes, {part.bytes:,} were committed")
        ranges, wanted = [(0, size)], part.sha256
        if not whole:
            ranges = without_thumbnails(pq.read_metadata(file), size)
            wanted = part.sha256_without_thumbnails
    pieces = folder.read_ranges(part.file, ranges)
    if (seen := sha256(*pieces)) != wanted:
        raise ValueError(f"its SHA-256 is {seen[:12]}…, {wanted[:12]}… was committed")
    # Bytes that are never written to, those of the thumbnails, take no memory.
    buffer = bytearray(size)
    for (start, stop), piece in zip(ranges, pieces, strict=True):
        buffer[start:stop] = piece
    return pa.BufferReader(buffer)
