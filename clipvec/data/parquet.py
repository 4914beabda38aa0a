"""Parquet files with an image, or the path of one, in each row."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import accumulate
from posixpath import dirname
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from clipvec.data import files
from clipvec.data.attributes import check, check_columns, make_record
from clipvec.data.files import Source, dataset_errors, to_utf8
from clipvec.data.image_column import read_images
from clipvec.data.listing import Listing, choose, of_files
from clipvec.data.ranges import span
from clipvec.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    import pyarrow.parquet as pq

    from clipvec.config import ParquetConfig
    from clipvec.data.record import Cursor, Record, Reject

_BATCH = 16
"""Rows held in memory at once: images are large."""
_BUFFER = 2**23
"""Bytes of a column chunk read at once, or one page if that is larger."""
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"
_CONNECTIONS = 16
"""Footers fetched at once."""


class ParquetDataset:
    """The rows of Parquet files, sharded by row number across all files.

    Row counts come from the footers. Of the row groups that overlap a shard's range, only the
    needed columns are read, in small batches.
    """

    files = 1

    def __init__(self, config: ParquetConfig, listing: Listing | None = None) -> None:
        """Take the files of a ``listing``, or all."""
        self.attributes = check(config.attributes)
        self._config = config
        found = files.expand(config.path)
        self._sources = found if listing is None else choose(found, listing)
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            self._groups = list(pool.map(self._row_groups, self._sources))
        if listing is None and not any(map(sum, self._groups)):
            raise DatasetError(
                f"dataset.path={config.path!r}: no rows in {len(self._sources)} file(s); "
                "give Parquet files that have rows"
            )

    def identity(self) -> dict[str, str | int | None]:
        """Return the kind, the number of files, and a digest of their names and sizes."""
        return files.identity(self._config.kind, self._sources)

    def listing(self) -> Listing:
        """Return the files."""
        return of_files(self._sources)

    def num_items(self, shard: int, count: int) -> int:
        """Return the number of items."""
        return len(self._span(shard, count))

    def _span(self, shard: int, count: int) -> range:
        return span(shard, count, sum(map(sum, self._groups)))

    def records(
        self, shard: int, count: int, start: int = 0, cursor: Cursor | None = None
    ) -> Iterator[Record | Reject]:
        """Yield the items of a shard from ``start`` on; row groups before it are not read.

        Raises:
            DatasetError: a file cannot be read.
        """
        owned = self._span(shard, count)[start:]
        offset = 0
        for number, (source, groups) in enumerate(zip(self._sources, self._groups, strict=True)):
            rows = sum(groups)
            first, last = max(owned.start - offset, 0), min(owned.stop - offset, rows)
            if first < last:
                yield from self._rows(number, source, groups, first, last)
            offset += rows

    def has_whole_sources(self, shard: int, count: int) -> bool:
        """Return whether a shard is whole files."""
        return count == 1

    def records_of(self, sources: range) -> Iterator[Record | Reject]:
        """Yield all rows of some files; see `records`."""
        for number in sources:
            groups = self._groups[number]
            if groups:
                yield from self._rows(number, self._sources[number], groups, 0, sum(groups))

    def _rows(
        self, file_number: int, source: Source, groups: list[int], first: int, last: int
    ) -> Iterator[Record | Reject]:
        """Yield rows ``first`` to ``last - 1`` of one file."""
        with dataset_errors(source.url), _open(source) as file:
            begins = [0, *accumulate(groups)]
            wanted = [
                number
                for number, rows in enumerate(groups)
                if begins[number] < last and begins[number] + rows > first
            ]
            at = begins[wanted[0]]
            folders = _hive_keys(source.path)
            present = set(file.schema_arrow.names)
            columns = [c for c in dict.fromkeys(self._columns().values()) if c in present]
            for batch in file.iter_batches(_BATCH, row_groups=wanted, columns=columns):
                begin, end = max(first - at, 0), min(last - at, batch.num_rows)
                if begin < end:
                    rows = batch.slice(begin, end - begin).to_pylist()
                    rows = [folders | row for row in rows]
                    yield from self._records(file_number, source, rows, at + begin)
                at += batch.num_rows
                if at >= last:  # the rest of a row group, which may be the whole file
                    break

    def _records(
        self, file_number: int, source: Source, rows: list[dict[str, Any]], first: int
    ) -> Iterator[Record | Reject]:
        config = self._config
        cells = [row[config.image] for row in rows]
        folder = dirname(source.path)
        images = read_images(cells, folder, config.max_file_bytes, config.image, source.url)
        stem = source.name.removesuffix(".parquet")
        for number, (row, (image, address)) in enumerate(zip(rows, images, strict=True), first):
            given = row[config.id] if config.id else None
            id = f"{stem}/{number}" if given is None else to_utf8(str(given))
            caption = row[config.caption] if config.caption else None
            uri = address or f"{source.url}#{number}"
            yield make_record(id, uri, image, caption, row, self.attributes, file_number)

    def _columns(self) -> dict[str, str]:
        """Return the columns to read, by the setting that names them."""
        config = self._config
        named = {"image": config.image, "caption": config.caption, "id": config.id}
        named |= {f"attributes.{name}": name for name in self.attributes}
        return {setting: column for setting, column in named.items() if column is not None}

    def _row_groups(self, source: Source) -> list[int]:
        """Check the columns' names and types, and return the rows of each row group."""
        if source.gone:
            return []
        with _footer(source.path) as footer:
            schema = footer.schema.to_arrow_schema()
            keys = [key for key in _hive_keys(source.path) if key not in schema.names]
            check_columns(self._columns(), [*schema.names, *keys], source.url)
            image = self._config.image
            check_columns({"image": image}, schema.names, source.url)
            kind = schema.field(image).type
            if not _holds_images(kind):
                raise ConfigError(
                    f"dataset.image={image} is a column of {kind} in {source.url}; allowed: binary,"
                    f" string (a path), or a struct with the field bytes or path; {_mend(kind)}"
                )
            return [footer.row_group(number).num_rows for number in range(footer.num_row_groups)]


def read_shape(path: str) -> tuple[int, list[str]]:
    """Return the number of rows of a Parquet file and its columns, from its footer alone.

    Raises:
        DatasetError: it cannot be read.
    """
    with _footer(path) as footer:
        return footer.num_rows, footer.schema.to_arrow_schema().names


@contextmanager
def _footer(path: str) -> Iterator[pq.FileMetaData]:
    """Return the footer of a file and fetch nothing else."""
    import pyarrow.parquet as pq

    where = files.display_url(path)
    with dataset_errors(where, path), files.open_file(path, ahead=False) as stream:
        yield pq.read_metadata(stream)


@contextmanager
def _open(source: Source) -> Iterator[pq.ParquetFile]:
    import pyarrow.parquet as pq

    # fetch exactly what is read; pre_buffer would hold whole column chunks in memory
    with (
        files.open_file(source.path, ahead=False) as stream,
        pq.ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False) as file,
    ):
        yield file


def _hive_keys(path: str) -> dict[str, str | None]:
    """Return the columns that a file's folders name, as in ``split=train/year=2019/0.parquet``."""
    parts = (part.partition("=") for part in dirname(path).split("/"))
    return {
        unquote(key): None if value == _HIVE_NULL else unquote(value)
        for key, equals, value in parts
        if key and equals
    }


def _holds_images(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        fields = {field.name: field.type for field in kind}
        return _is_bytes(fields.get("bytes")) or _is_text(fields.get("path"))
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return _is_bytes(kind) or _is_text(kind)


def _is_bytes(kind: pa.DataType | None) -> bool:
    return str(kind).startswith(("binary", "large_binary", "fixed_size_binary"))


def _is_text(kind: pa.DataType | None) -> bool:
    return str(kind).startswith(("string", "large_string"))  # also string_view


def _mend(kind: pa.DataType) -> str:
    """Return what makes a column of images of another type."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        if pa.types.is_integer(kind.value_type):
            return "write the numbers of a row as one binary value"
        return "write a row for each image of a list (in pandas: table.explode(column))"
    if pa.types.is_struct(kind) and kind.get_field_index("data") >= 0:
        return "Spark's image struct holds pixels: read the files as binaryFile instead"
    return "write the encoded image files as binary"
