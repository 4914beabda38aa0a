"""The files of a shard as bytes: parts and the reject ledger, each with its own checksum."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from clipvec.store import checksums
from clipvec.store.schema import DIGEST, EMBEDDING, rejects_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pyarrow as pa

LedgerRow: TypeAlias = tuple[int, str, str, str, str]
"""A row of a reject ledger: position, id, uri, reason, class of the error."""
ORIGIN = b"clipvec.origin"
"""Footer key of a part: the shard and the store that it belongs to."""
SPAN = b"clipvec.span"
"""Footer key of a part: the positions of the shard that it covers, as ``[start, stop]``."""
CURSOR = b"clipvec.cursor"
"""Footer key of a part: the file of its last item, and how many of its items are processed."""
WHOLE = b"clipvec.whole"
"""Footer key of a part that was made of others: whether it has all of their rows."""
REUSED = b"clipvec.reused"
"""Footer key of a part whose rows are those of another store: its positions are those of these."""
_HEX = re.compile(r"[0-9a-f]{64}")
PART_ROWS = 1024
"""Rows of a part that was made of others, at most: those of one as embed writes it."""
GROUP_ROWS = 256
"""Rows of a row group: reading one thumbnail reads those of a whole row group."""


@dataclass(frozen=True)
class Part:
    """A finished part file."""

    file: str
    rows: int
    bytes: int
    sha256: str
    sha256_without_thumbnails: str
    """Of what is read to load and to measure."""

    @property
    def shard(self) -> int:
        """The number of its shard."""
        return int(self.file.split("/")[0].removeprefix("shard-"))

    def check(self) -> None:
        """Raise a ValueError where a value is none that embed writes."""
        sums = (self.sha256, self.sha256_without_thumbnails)
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
        writer.write_table(table, GROUP_ROWS)
        writer.add_key_value_metadata({checksums.SEAL: checksums.BLANK})
    return checksums.seal(buffer.getvalue())


def joined(tables: Sequence[pa.Table], gone: Sequence[np.ndarray]) -> bytes:
    """Return the file of a part that takes the place of some, without some of their rows.

    It says that it covers the same items. The name of the last one, which need not be there any
    more, is left out: who goes on from there reads from the start of the shard.

    Args:
        tables: all of each part, one after the other, with what their schemas say of them.
        gone: bool [N] for each.
    """
    import pyarrow as pa

    said = [table.schema.metadata for table in tables]
    (start, _), (_, stop) = (json.loads(said[at][SPAN]) for at in (0, -1))
    whole = not any(each.any() for each in gone)
    new = notes({WHOLE: whole, SPAN: [start, stop], CURSOR: None}) | {ORIGIN: said[0][ORIGIN]}
    pairs = zip(tables, gone, strict=True)
    kept = [table.filter(pa.array(~out)).replace_schema_metadata(None) for table, out in pairs]
    return sealed(pa.concat_tables(kept).combine_chunks().replace_schema_metadata(new))


def notes(values: Mapping[bytes, Any]) -> dict[bytes, bytes]:
    """Return what the footer of a part says of it."""
    return {key: json.dumps(value).encode() for key, value in values.items()}


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


def origin_of(schema: pa.Schema) -> str:
    """Return what a part says of where it belongs; empty: nothing, as of what embed never wrote."""
    return str(json.loads((schema.metadata or {}).get(ORIGIN, b'""')))


def part_of(name: str, data: bytes) -> Part:
    """Return what a commit marker says of a part."""
    import pyarrow.parquet as pq

    view, footer = memoryview(data), pq.read_metadata(io.BytesIO(data))
    ranges = checksums.without_thumbnails(footer, len(data))
    lean = checksums.sha256(*(view[start:stop] for start, stop in ranges))
    return Part(name, footer.num_rows, len(data), checksums.sha256(data), lean)
