"""Checksums of part files.

Each part, and each ledger of rejects, carries one of its own, its seal, by which an open shard's
files are taken over. The commit marker has two of a part: that of the file, and that of all but the
thumbnails, which are fifteen in sixteen of the bytes and which neither `clipvec index` nor
`clipvec recall` reads.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow.parquet as pq

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
