"""Datasets of the Hugging Face hub, or local files that ``datasets`` can load."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from clipvec.data.attributes import check, check_columns, make_record
from clipvec.data.data_file import BATCH, DataFiles, slices
from clipvec.data.files import (
    Source,
    dataset_errors,
    describe,
    digest,
    display_url,
    to_utf8,
)
from clipvec.data.hub import check_token, import_datasets, revision, tell_images_left_out
from clipvec.data.image_column import read_images
from clipvec.data.listing import choose, of_files
from clipvec.data.parquet import read_shape
from clipvec.data.ranges import span
from clipvec.errors import ConfigError, DatasetError
from clipvec.locations import expanded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from clipvec.config import HuggingFaceConfig
    from clipvec.data.listing import Listing
    from clipvec.data.record import Cursor, Record, Reject

_CONNECTIONS = 16
"""Footers fetched at once."""
_DIGITS = 16
"""Of a digest in the name of what cannot be told apart."""


@dataclass(frozen=True)
class _Piece:
    """Rows that are read together: a data file, or part of what cannot be told apart."""

    source: int
    """Number of its source."""
    ids: str
    """What precedes the number of a row in its id."""
    uris: str
    """Likewise in its URI."""
    index: int = 0
    """Which it is of the shards of a stream whose files cannot be told apart."""


class _Row(NamedTuple):
    id: str
    uri: str
    source: int
    values: dict[str, Any]


class HuggingFaceDataset:
    """One split of a Hugging Face dataset.

    Parquet on disk is sharded by row number. Of other kinds, and streamed, a shard is whole data
    files, so no job reads another's. Each data file is read by itself: its rows and their ids
    depend on no other file. Where ``datasets`` makes rows of several files, or is asked for part
    of a split, the whole is one source, named by its content, and ids are split and row number
    (of a stream split, its shard and row number). Resuming inside a shard of whole files rereads
    its rows before ``start`` without decoding them, since a stream cannot seek.
    """

    def __init__(self, config: HuggingFaceConfig, listing: Listing | None = None) -> None:
        """Take the data files of a ``listing``, or all."""
        self.attributes = check(config.attributes)
        self._config = config
        self._local = expanded(config.path).exists()
        if config.gated and not self._local:
            check_token(config.path)
        self._datasets = import_datasets()
        self._revision = None if self._local else revision(config, self._datasets)
        with self._errors():
            self._builder = self._datasets.load_dataset_builder(
                config.path, name=config.subset, revision=self._revision
            )
            self._files = DataFiles(config, self._builder)
            self._by_file = self._files.told_apart
            found = self._find()
        self._all = listing is None
        self._rows: dict[str, int] = {}
        self._checked = False
        self._sources = found if listing is None else choose(found, listing)
        if not self._by_file:
            if listing is not None and self._sources != found:
                raise DatasetError(
                    f"dataset.path={config.path!r}: its content is not what it was when the store "
                    "was begun; put that back (of a hub: dataset.revision=<commit>), or embed into "
                    "another store.root"
                )
            self._check_first()
        if self._local and self._builder.name == "imagefolder":
            tell_images_left_out(expanded(config.path))

    def _errors(self) -> AbstractContextManager[None]:
        return dataset_errors(f"dataset.path={self._config.path!r}")

    def _find(self) -> tuple[Source, ...]:
        """Return the data files of the split, or one source for all of the dataset."""
        config = self._config
        splits = self._builder.config.data_files or {}
        asked = [splits[config.split]] if self._by_file else splits.values()
        found = describe({path: self._name(path) for paths in asked for path in paths})
        if self._by_file:
            self._files.check(found)
            return found
        known = [self._builder.hash] if not found else [(f.name, f.size, f.version) for f in found]
        content = digest([*self._asked, *known])[:_DIGITS]
        return (Source("", self._hub, f"{config.split} {content}", None, content),)

    def _name(self, path: str) -> str:
        """Return the name of a data file in the repository or folder; else its address."""
        root = f"{expanded(self._config.path).resolve()}/"
        start = root if self._local else f"@{self._revision}/"
        _, inside, name = path.partition(start)
        return to_utf8(name) if inside else display_url(path)

    @property
    def _hub(self) -> str:
        """The address of the dataset, the same for each revision that was not asked for."""
        config = self._config
        asked = f"@{config.revision}" if config.revision else ""
        return config.path if self._local else f"hf://datasets/{config.path}{asked}"

    @cached_property
    def _pieces(self) -> list[_Piece]:
        split = self._config.split
        if self._by_file:
            return [
                _Piece(number, f"{source.name.removesuffix('.parquet')}/", f"{address}#")
                for number, source in enumerate(self._sources)
                for address in [self._address(source)]
            ]
        if not self._config.streaming:
            return [_Piece(0, f"{split}/", f"{self._hub}#{split}/")]
        return [
            _Piece(0, f"{split}/{index}/", f"{self._hub}#{split}/{index}/", index)
            for index in range(self._all_rows.num_shards)
        ]

    def _address(self, source: Source) -> str:
        """Return the address to store of a data file."""
        return source.url if self._local or "://" in source.name else f"{self._hub}/{source.name}"

    @cached_property
    def _all_rows(self) -> Any:
        """All rows, as ``datasets`` gives them, where files cannot be told apart."""
        builder, split = self._builder, self._config.split
        with self._errors():
            if self._config.streaming:
                return builder.as_streaming_dataset(split=split)
            builder.download_and_prepare()
            return builder.as_dataset(split=split)

    def _open(self, piece: _Piece) -> Any:
        """Return the rows of a piece; None: there are none."""
        if self._by_file:
            source = self._sources[piece.source]
            # on which datasets 5.0 fails: findings/datasets-fail-on-a-file-without-rows.sh
            empty = self._files.counted and self._counted([piece]) == [0]
            if empty or not _has_bytes(source):
                return None
            return self._files.rows(source) if self._in_order else self._files.prepared(source)
        if not self._config.streaming:
            return self._all_rows
        return self._all_rows.shard(self._all_rows.num_shards, piece.index, contiguous=True)

    @property
    def _in_order(self) -> bool:
        """Whether a piece can only be read from its start, so that a shard is whole pieces."""
        return self._config.streaming or (self._by_file and not self._files.counted)

    def _check_first(self) -> None:
        """Refuse, once, columns that the first data file lacks; only its beginning is read."""
        first = next((p for p in self._pieces if _has_bytes(self._sources[p.source])), None)
        if first is None or self._checked:
            return
        if self._by_file:
            with self._errors():
                next(self._rows_of(first), None)
        elif self._all_rows.features is not None:
            self._check_columns(self._all_rows.features, first)
        self._checked = True

    def _check_columns(self, present: Iterable[str], piece: _Piece) -> None:
        """Refuse a data file that lacks a column, whose rows would be without it."""
        config = self._config
        where = self._sources[piece.source].name if self._by_file else config.split
        check_columns(self._columns, present, f"{config.path} ({where})")

    @property
    def _columns(self) -> dict[str, str]:
        """The columns to read, by the setting that names them."""
        config = self._config
        named = {"image": config.image, "caption": config.caption, "id": config.id}
        named |= {f"attributes.{name}": name for name in self.attributes}
        return {setting: column for setting, column in named.items() if column is not None}

    @property
    def files(self) -> int:
        """The data files that are read from their start; otherwise 1, shards are ranges of rows."""
        return len(self._pieces) if self._in_order else 1

    @property
    def _asked(self) -> list[object]:
        """What the rows depend on, besides the content of files."""
        config = self._config
        return [config.subset, config.split, config.streaming, self._declared]

    @cached_property
    def _declared(self) -> str | None:
        """What the card says of the columns that are read, such as the names of classes."""
        columns = self._columns
        return self._files.declared([columns[each] for each in columns if each != "image"])

    def identity(self) -> dict[str, str | int | None]:
        """Return the kind, the number of data files, and a digest of the request and of them.

        A hub dataset is identified by its commit, the revision.
        """
        found = [(source.name, source.size) for source in self._sources]
        where = found if self._local else [self._config.path]
        return {
            "kind": self._config.kind,
            "sources": len(found),
            "digest": digest([*self._asked, *where]),
            "revision": self._revision,
        }

    def listing(self) -> Listing:
        """Return the data files, or what stands for those that cannot be told apart."""
        place, undivided = self._config.place, not self._by_file
        return of_files(self._sources, place, detail=self._declared, undivided=undivided)

    def has_whole_sources(self, shard: int, count: int) -> bool:
        """Return whether a shard is whole data files."""
        return count == 1 or (self._in_order and self._by_file)

    def num_items(self, shard: int, count: int) -> int | None:
        """Return the number of items, or None where files must be read to be counted."""
        if not self._in_order:
            return len(span(shard, count, sum(self._lengths)))
        owned = self._owned(shard, count)
        if not self._files.counted:
            self._check_first()
            return None
        pieces = self._pieces[owned.start : owned.stop]
        if any(self._sources[piece.source].path not in self._rows for piece in pieces):
            # those that are asked for next, while at it: each is a request
            self._counted(self._pieces[owned.start : max(owned.stop, owned.start + _CONNECTIONS)])
        return sum(self._counted(pieces))

    def _counted(self, pieces: Sequence[_Piece]) -> list[int]:
        """Return the row counts of Parquet files from their footers, which are kept.

        Raises:
            ConfigError: a file lacks a column.
        """
        self._rows[""] = 0  # of a file that is gone
        paths = [self._sources[piece.source].path for piece in pieces]
        todo = {path: p for path, p in zip(paths, pieces, strict=True) if path not in self._rows}
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            shapes = zip(todo.items(), pool.map(read_shape, todo), strict=True)
            for (path, piece), (rows, columns) in shapes:
                self._check_columns(columns, piece)
                self._rows[path] = rows
        return [self._rows[path] for path in paths]

    @cached_property
    def _lengths(self) -> list[int]:
        """The number of rows of each piece of a dataset on disk."""
        if self._by_file:
            with self._errors():
                lengths = self._counted(self._pieces)
        else:
            self._check_first()
            lengths = [len(self._all_rows)]
        if self._all and not any(lengths):
            raise DatasetError(
                f"dataset.path={self._config.path!r}: no rows in {len(lengths)} data file(s); give "
                "a dataset that has rows"
            )
        return lengths

    def records(
        self, shard: int, count: int, start: int = 0, cursor: Cursor | None = None
    ) -> Iterator[Record | Reject]:
        """Yield the items of a shard from ``start`` on.

        Raises:
            ConfigError: a streamed dataset has fewer data files than ``count``.
            DatasetError: the data cannot be read.
        """
        if self._in_order:
            pieces = [self._pieces[number] for number in self._owned(shard, count)]
            rows = (row for piece in pieces for row in self._rows_of(piece))
            yield from self._records(islice(rows, start, None))
            return
        owned = span(shard, count, sum(self._lengths))[start:]
        offset = 0
        for piece, length in zip(self._pieces, self._lengths, strict=True):
            first, last = max(owned.start - offset, 0), min(owned.stop - offset, length)
            if first < last:
                yield from self._records(self._rows_of(piece, first, last))
            offset += length

    def records_of(self, sources: range) -> Iterator[Record | Reject]:
        """Yield all rows of some data files; see `records`."""
        for piece in self._pieces:
            if piece.source in sources:
                yield from self._records(self._rows_of(piece))

    def _owned(self, shard: int, count: int) -> range:
        """Return the pieces of a streamed shard."""
        files = len(self._pieces)
        if count > files:
            uncounted = self._by_file and not self._files.counted
            mend = "write Parquet" if uncounted else "dataset.streaming=false"
            raise ConfigError(
                f"sharding.count={count} is more than the {files} data file(s) of "
                f"{self._config.path!r}, each of which is read from its start; set sharding.count "
                f"to at most {files}, or {mend}"
            )
        return span(shard, count, files)

    def _rows_of(self, piece: _Piece, first: int = 0, last: int | None = None) -> Iterator[_Row]:
        """Yield rows of a piece, from ``first`` to before ``last``; a stream from its start."""
        data = self._open(piece)
        if data is None:
            return
        if self._in_order and self._by_file and self._builder.info.features:
            self._check_columns(self._files.columns(self._sources[piece.source]), piece)
        datasets, features = self._datasets, data.features
        labels: dict[str, Any] = {}
        if features is not None:
            self._check_columns(features, piece)
            # those that are needed, and the image as it is encoded
            columns = [*dict.fromkeys(self._columns.values())]
            labels = {
                name: features[name]
                for name in columns
                if isinstance(features[name], datasets.ClassLabel)
            }
            data = data.select_columns(columns)
            data = data.cast_column(self._config.image, datasets.Image(decode=False))
        rows = data if self._in_order else slices(data, first, last or len(data))
        for number, values in enumerate(rows, first):
            if features is None and number == 0:  # of CSV and JSON, whose rows are used as is
                self._check_columns(values, piece)
            for column, label in labels.items():
                known = values[column] is not None and values[column] >= 0  # -1: a test set's
                values[column] = label.int2str(values[column]) if known else None
            yield _Row(f"{piece.ids}{number}", f"{piece.uris}{number}", piece.source, values)

    def _records(self, rows: Iterator[_Row]) -> Iterator[Record | Reject]:
        with self._errors():
            while batch := list(islice(rows, BATCH)):
                yield from self._batch(batch)

    def _batch(self, batch: Sequence[_Row]) -> Iterator[Record | Reject]:
        config = self._config
        cells = [row.values.get(config.image) for row in batch]
        most, column, table = config.max_file_bytes, config.image, batch[0].uri.partition("#")[0]
        images = read_images(cells, config.path, most, column, table)
        for row, (image, address) in zip(batch, images, strict=True):
            values = row.values
            given = values.get(config.id) if config.id else None
            if isinstance(given, float):
                raise DatasetError(
                    f"dataset.id={config.id} is {given!r} in {row.uri}: numbers with a fraction "
                    "are no ids; write text or whole numbers, or give another column"
                )
            id = row.id if given in (None, "") else to_utf8(str(given))
            uri = row.uri
            if address is not None and (self._local or "://" in address):  # not a path in a cache
                uri = address
            caption = values.get(config.caption) if config.caption else None
            yield make_record(id, uri, image, caption, values, self.attributes, row.source)


def _has_bytes(source: Source) -> bool:
    return not source.gone and source.size != 0
