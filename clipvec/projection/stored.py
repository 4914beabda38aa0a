"""The positions of all rows of a store, in a file beside them: the map of the service.

<store>/projection.parquet   a row for each row of the store, in its order: id, part, x, y

A cache like an index: ``clipvec projection`` makes it, and compaction, which takes deleted rows out
of every file, removes it. Who reads it leaves out rows that were deleted since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipvec import paths
from clipvec.errors import StoreError
from clipvec.files import NotAFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    import pyarrow as pa

    from clipvec.store import Folder

NOWHERE = 2**16 - 1
"""No coordinate: they are 0 to 65534, as shares of the plane's sides."""
_ROWS = b"clipvec.rows"
"""Key of the digest of the rows that were projected."""
_GROUP = 2**16
"""Rows of a row group."""


@dataclass(frozen=True)
class StoredProjection:
    """The positions of rows; their numbers are those of the store when it was made."""

    ids: pa.ChunkedArray
    """string [N]."""
    parts: pa.ChunkedArray
    """Part files, dictionary of string [N]."""
    points: np.ndarray
    """uint16 [N, 2], 0 to 65534."""
    rows: str
    """Digest of the rows, see `clipvec.store.Rows`."""

    @classmethod
    def read(cls, folder: Folder) -> StoredProjection | None:
        """Return the projection of a store; None: it has none.

        Raises:
            StoreError: it is damaged, or cannot be read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            data = pa.BufferReader(folder.read(paths.PROJECTION))
        except (FileNotFoundError, NotAFile):
            return None
        try:
            table = pq.read_table(data, read_dictionary=["part"], page_checksum_verification=True)
            points = np.stack([table[name].to_numpy() for name in "xy"], axis=1)
            if points.dtype != np.uint16:
                raise ValueError(f"its positions are {points.dtype}")
            digest = table.schema.metadata[_ROWS].decode()
            return cls(table["id"], table["part"], points, digest)
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{folder.path(paths.PROJECTION)} is damaged ({error}): remove it, and make it "
                "again with clipvec projection"
            ) from error


def encode(pieces: Iterable[tuple[str, list[Any], np.ndarray]], rows: str) -> bytes:
    """Return a projection as a file, with checksums of its pages.

    Args:
        pieces: part file, ids [N], and positions, float [N, 2], 0 to 1, in the order of the store.
        rows: digest of the rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"id": pa.string(), "part": pa.string(), "x": pa.uint16(), "y": pa.uint16()}
    schema = pa.schema(types, metadata={_ROWS: rows.encode()})
    sink = pa.BufferOutputStream()
    held: list[pa.RecordBatch] = []
    with pq.ParquetWriter(
        sink, schema, compression="zstd", use_dictionary=["part"], write_page_checksum=True
    ) as writer:

        def flush(least: int) -> None:
            if held and sum(map(len, held)) >= least:
                writer.write_table(pa.Table.from_batches(held))
                held.clear()

        for part, ids, points in pieces:
            x, y = np.round(points.T * (NOWHERE - 1)).astype(np.uint16)
            columns = [pa.array(column) for column in (ids, [part] * len(ids), x, y)]
            held.append(pa.record_batch(columns, schema=schema))
            flush(_GROUP)
        flush(1)
    data: bytes = sink.getvalue().to_pybytes()
    return data
