"""The files of a shard as bytes: parts and the reject ledger, each with its own checksum."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipvec.store import checksums
from clipvec.store.schema import DIGEST, EMBEDDING, rejects_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

ORIGIN = b"clipvec.origin"
"""Footer key of a part: the shard and the store that it belongs to."""
SPAN = b"clipvec.span"
"""Footer key of a part: the positions of the shard that it covers, as ``[start, stop]``."""
CURSOR = b"clipvec.cursor"
"""Footer key of a part: the file of its last item, and how many of its items are processed."""
_NOTES = (SPAN, CURSOR, ORIGIN)
_HEX = re.compile(r"[0-9a-f]{64}")
_GROUP_ROWS = 256
"""Rows of a row group: reading one thumbnail reads those of a whole row group."""


@dataclass(frozen=True)
class Part:
    """A finished part file."""

    file: str
    rows: int
    bytes: int
    sha256: str
    sha256_without_thumbnails: str | None = None
    """Of what is read to load and to measure; None: written before there was one."""

    def check(self) -> None:
        """Raise a ValueError where a value is none that embed writes."""
        sums = (self.sha256, self.sha256_without_thumbnails or self.sha256)
        if self.rows < 0 or self.bytes < 0 or not all(map(_HEX.fullmatch, sums)):
            raise ValueError(f"it does not describe {self.file} as embed does")


def sealed(table: pa.Table) -> bytes:
    """Return the file of a part."""
    import pyarrow.parquet as pq

    text = [n for n in table.column_names if n not in {EMBEDDING, DIGEST, checksums.THUMBNAIL}]
    buffer = io.BytesIO()
    with pq.ParquetWriter(
        buffer,
        table.schema,
        # JPEG and embeddings do not compress
        compression={n: "zstd" if n in text else "none" for n in _leaves(table.schema)},
        use_dictionary=[n for n in text if n not in {"id", "uri"}],
        write_statistics=text,
        # by which a thumbnail can be compared without the rest of the file
        write_page_checksum=True,
    ) as writer:
        writer.write_table(table, _GROUP_ROWS)
        writer.add_key_value_metadata({checksums.SEAL: checksums.BLANK})
    return checksums.seal(buffer.getvalue())


def without_rows(table: pa.Table, gone: np.ndarray) -> bytes:
    """Return the file of a part without some of its rows.

    It says that it covers the same items. The name of the last one, which need not be there any
    more, is left out: who goes on from there reads from the start of the shard.

    Args:
        table: all of the part, with what its schema says of it.
        gone: bool [N].
    """
    import pyarrow as pa

    notes = dict(table.schema.metadata or {})
    if CURSOR in notes:
        notes[CURSOR] = json.dumps(None).encode()
    kept = table.filter(pa.array(~gone)).combine_chunks()
    return sealed(kept.replace_schema_metadata({k: notes[k] for k in _NOTES if k in notes}))


def ledger_bytes(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return the bytes of a reject ledger, for `ledger_rows`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = rejects_schema()
    columns = [[row[i] for row in rows] for i in range(len(schema))]
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema, compression="zstd") as writer:
        writer.write_table(pa.table(columns, schema=schema))
        writer.add_key_value_metadata({checksums.SEAL: checksums.BLANK})
    return checksums.seal(buffer.getvalue())


def ledger_rows(data: bytes) -> list[dict[str, Any]]:
    """Return the rows of a reject ledger from its bytes.

    Raises:
        ValueError, OSError: they are not what was written.
    """
    import pyarrow as pa

    try:
        rows: list[dict[str, Any]] = read_sealed(data).to_pylist()
    except (pa.ArrowException, KeyError, TypeError) as error:
        raise ValueError(str(error)) from error
    return rows


def read_sealed(data: bytes) -> pa.Table:
    """Return the table of a file whose seal is right."""
    import pyarrow.parquet as pq

    footer = pq.read_metadata(io.BytesIO(data))
    if not checksums.is_sealed(data, footer.metadata[checksums.SEAL]):
        raise ValueError("its checksum is another")
    return pq.read_table(io.BytesIO(data))


def _leaves(schema: pa.Schema) -> list[str]:
    """Return the column paths as Parquet names them."""
    return [f"{n}.list.element" if n == EMBEDDING else n for n in schema.names]


def origin(store: str, shard: int) -> str:
    """Return what the parts of a shard say of where they belong."""
    return f"{store}/{shard}"


def origin_of(schema: pa.Schema) -> str | None:
    """Return what a part says of where it belongs; None: written before parts said so."""
    note = (schema.metadata or {}).get(ORIGIN)
    return None if note is None else str(json.loads(note))


def part_of(name: str, data: bytes) -> Part:
    """Return what a commit marker says of a part."""
    import pyarrow.parquet as pq

    view, footer = memoryview(data), pq.read_metadata(io.BytesIO(data))
    ranges = checksums.without_thumbnails(footer, len(data))
    lean = checksums.sha256(*(view[start:stop] for start, stop in ranges))
    return Part(name, footer.num_rows, len(data), checksums.sha256(data), lean)
