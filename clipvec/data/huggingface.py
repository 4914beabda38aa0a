"""Datasets of the Hugging Face hub, or local files that ``datasets`` can load."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from clipvec.data.attributes import check, check_columns, make_record
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
from clipvec.data.parquet import count_rows
from clipvec.data.ranges import span
from clipvec.errors import ConfigError, DatasetError
from clipvec.locations import expanded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from clipvec.config import HuggingFaceConfig
    from clipvec.data.listing import Listing
    from clipvec.data.record import Cursor, Record, Reject

_BATCH = 16
"""Rows held in memory at once."""
_CONNECTIONS = 16
"""Footers fetched at once."""
_ROWS_OF_FILES = frozenset({"arrow", "csv", "json", "parquet", "webdataset"})
"""Builders of ``datasets`` each of whose rows comes from one data file, and from nothing else."""
_CACHE = "clipvec-data-files"
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

    A dataset on disk is sharded by row number. A streamed one is sharded by whole data files, so
    no job reads another's. Each data file is read by itself: its rows and their ids depend on no
    other file. Where ``datasets`` makes rows of several files, or is asked for part of a split,
    the whole is one source, named by its content, and ids are split and row number (of a stream
    split, its shard and row number). Resuming inside a streamed shard rereads the rows of its own
    files before ``start`` without decoding them, since a stream cannot seek.
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
            found = self._find()
        self._all = listing is None
        self._rows: dict[str, int] = {}
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

    @cached_property
    def _by_file(self) -> bool:
        """Whether each row is of a data file that is known, and depends on no other."""
        files = self._builder.config.data_files or {}
        return self._config.split in files and self._builder.name in _ROWS_OF_FILES

    def _find(self) -> tuple[Source, ...]:
        """Return the data files of the split, or one source for all of the dataset."""
        config = self._config
        splits = self._builder.config.data_files or {}
        asked = [splits[config.split]] if self._by_file else splits.values()
        found = describe({path: self._name(path) for paths in asked for path in paths})
        if self._by_file:
            return found
        known = [self._builder.hash] if not found else [(f.name, f.size, f.version) for f in found]
        content = digest([config.subset, config.split, config.streaming, *known])[:_DIGITS]
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
            for index in range(self._whole.num_shards)
        ]

    def _address(self, source: Source) -> str:
        """Return the address to store of a data file."""
        return source.url if self._local or "://" in source.name else f"{self._hub}/{source.name}"

    @cached_property
    def _whole(self) -> Any:
        """All rows, as ``datasets`` gives them, where files cannot be told apart."""
        with self._errors():
            return self._load(self._builder)

    def _load(self, builder: Any) -> Any:
        """Return the rows of a builder; None: there are none."""
        split = self._config.split
        if self._config.streaming:
            return builder.as_streaming_dataset(split=split)
        builder.download_and_prepare(verification_mode="no_checks" if self._by_file else None)
        if self._by_file and not builder.info.splits[split].num_examples:
            return None  # as_dataset refuses it
        return builder.as_dataset(split=split)

    def _open(self, piece: _Piece) -> Any:
        """Return the rows of a piece; None: there are none."""
        if self._by_file:
            source = self._sources[piece.source]
            # on which datasets 5.0 fails: findings/datasets-fail-on-a-file-without-rows.sh
            empty = self._countable and self._counted([piece]) == [0]
            return None if empty or not _has_bytes(source) else self._load(self._narrowed(source))
        if not self._config.streaming:
            return self._whole
        return self._whole.shard(self._whole.num_shards, piece.index, contiguous=True)

    def _narrowed(self, source: Source) -> Any:
        """Return a builder of one data file, with the features that the dataset's card declares."""
        from datasets.data_files import DataFilesDict, DataFilesList

        whole, version = self._builder, (f"{source.size}", f"{source.version}")
        # apart from whole datasets, of one of which datasets would take it offline
        cache = f"{self._datasets.config.HF_DATASETS_CACHE}/{_CACHE}"
        return type(whole)(
            cache_dir=cache,
            dataset_name=whole.dataset_name,
            config_name=whole.config.name,
            hash=whole.hash,
            base_path=whole.base_path,
            repo_id=whole.repo_id,
            info=self._datasets.DatasetInfo(features=whole.info.features),
            data_files=DataFilesDict({self._config.split: DataFilesList([source.path], [version])}),
        )

    def _check_first(self) -> None:
        """Refuse columns that the first data file does not have; only its beginning is read."""
        config = self._config
        first = next((p for p in self._pieces if _has_bytes(self._sources[p.source])), None)
        if first is None:
            return
        with self._errors():
            if self._by_file:
                builder = self._narrowed(self._sources[first.source])
                data = builder.as_streaming_dataset(split=config.split)
            else:
                data = self._whole
            if data.features is None and not config.streaming:
                data = self._open(first)
        if data is not None and data.features is not None:  # unknown for JSON streams
            check_columns(self._columns, data.features, f"{config.path} ({config.split})")

    @property
    def _columns(self) -> dict[str, str]:
        """The columns to read, by the setting that names them."""
        config = self._config
        named = {"image": config.image, "caption": config.caption, "id": config.id}
        named |= {f"attributes.{name}": name for name in self.attributes}
        return {setting: column for setting, column in named.items() if column is not None}

    @property
    def files(self) -> int:
        """The data files of a stream; otherwise 1, shards are ranges of all rows."""
        return len(self._pieces) if self._config.streaming else 1

    def identity(self) -> dict[str, str | int | None]:
        """Return the kind, the number of data files, and a digest of the request and of them.

        A hub dataset is identified by its commit, the revision.
        """
        config = self._config
        found = [(source.name, source.size) for source in self._sources]
        where = found if self._local else [config.path]
        return {
            "kind": config.kind,
            "sources": len(found),
            "digest": digest([config.subset, config.split, config.streaming, *where]),
            "revision": self._revision,
        }

    def listing(self) -> Listing:
        """Return the data files, or what stands for those that cannot be told apart."""
        return of_files(self._sources, self._config.place)

    def has_whole_sources(self, shard: int, count: int) -> bool:
        """Return whether a shard is whole data files."""
        return count == 1 or (self._config.streaming and self._by_file)

    def num_items(self, shard: int, count: int) -> int | None:
        """Return the number of items, or None for a stream of non-Parquet files."""
        if not self._config.streaming:
            return len(span(shard, count, sum(self._lengths)))
        owned = self._owned(shard, count)
        self._check_first()
        pieces = self._pieces[owned.start : owned.stop]
        return sum(self._counted(pieces)) if self._countable else None

    @property
    def _countable(self) -> bool:
        """Whether footers tell how many rows there are."""
        builder = self._builder
        return self._by_file and builder.name == "parquet" and builder.config.filters is None

    def _counted(self, pieces: Sequence[_Piece]) -> list[int]:
        """Return the row counts of Parquet files from their footers, which are kept."""
        paths = [self._sources[piece.source].path for piece in pieces]
        self._rows[""] = 0  # of a file that is gone
        todo = [path for path in paths if path not in self._rows]
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            self._rows.update(zip(todo, pool.map(count_rows, todo), strict=True))
        return [self._rows[path] for path in paths]

    @cached_property
    def _lengths(self) -> list[int]:
        """The number of rows of each piece of a dataset on disk."""
        self._check_first()
        with self._errors():
            lengths = (
                self._counted(self._pieces)
                if self._countable
                else [len(self._open(piece) or ()) for piece in self._pieces]
            )
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
        if self._config.streaming:
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
            raise ConfigError(
                f"sharding.count={count} is more than the {files} data file(s) of "
                f"{self._config.path!r}, which is streamed; set sharding.count to at most {files}, "
                "or dataset.streaming=false"
            )
        return span(shard, count, files)

    def _rows_of(self, piece: _Piece, first: int = 0, last: int | None = None) -> Iterator[_Row]:
        """Yield rows of a piece, from ``first`` to before ``last``; a stream from its start."""
        data = self._open(piece)
        if data is None:
            return
        datasets, features = self._datasets, data.features
        labels: dict[str, Any] = {}
        if features is not None:  # unknown for JSON streams, whose rows are used as is
            # those that are needed, and the image as it is encoded
            columns = [name for name in dict.fromkeys(self._columns.values()) if name in features]
            labels = {
                name: features[name]
                for name in columns
                if isinstance(features[name], datasets.ClassLabel)
            }
            data = data.select_columns(columns)
            if self._config.image in columns:
                data = data.cast_column(self._config.image, datasets.Image(decode=False))
        rows = data if self._config.streaming else _slices(data, first, last or len(data))
        for number, values in enumerate(rows, first):
            for column, label in labels.items():
                known = values[column] is not None and values[column] >= 0  # -1: a test set's
                values[column] = label.int2str(values[column]) if known else None
            yield _Row(f"{piece.ids}{number}", f"{piece.uris}{number}", piece.source, values)

    def _records(self, rows: Iterator[_Row]) -> Iterator[Record | Reject]:
        with self._errors():
            while batch := list(islice(rows, _BATCH)):
                yield from self._batch(batch)

    def _batch(self, batch: Sequence[_Row]) -> Iterator[Record | Reject]:
        config = self._config
        cells = [row.values.get(config.image) for row in batch]
        most, column, table = config.max_file_bytes, config.image, batch[0].uri.partition("#")[0]
        images = read_images(cells, config.path, most, column, table)
        for row, (image, address) in zip(batch, images, strict=True):
            values = row.values
            given = values.get(config.id) if config.id else None
            id = row.id if given is None else to_utf8(str(given))
            uri = row.uri
            if address is not None and (self._local or "://" in address):  # not a path in a cache
                uri = address
            caption = values.get(config.caption) if config.caption else None
            yield make_record(id, uri, image, caption, values, self.attributes, row.source)


def _has_bytes(source: Source) -> bool:
    return not source.gone and source.size != 0


def _slices(data: Any, first: int, last: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a dataset on disk, a few read at once."""
    for begin in range(first, last, _BATCH):
        columns = data[begin : min(begin + _BATCH, last)]
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))
