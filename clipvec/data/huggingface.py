"""Datasets of the Hugging Face hub, or local files that ``datasets`` can load."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from clipvec.data.attributes import check, check_columns, make_record
from clipvec.data.files import dataset_errors, digest, first_line, to_utf8
from clipvec.data.formats import RARELY_READ, SUFFIXES
from clipvec.data.image_column import read_images
from clipvec.data.parquet import count_rows
from clipvec.data.passed_over import PassedOver
from clipvec.data.ranges import span
from clipvec.errors import ConfigError, DatasetError
from clipvec.extras import missing
from clipvec.paths import expanded
from clipvec.progress import say_hub_retries_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import ModuleType

    from clipvec.config import HuggingFaceConfig
    from clipvec.data.record import Cursor, Record, Reject

_BATCH = 16
"""Rows held in memory at once."""
_CONNECTIONS = 16
"""Footers fetched at once."""
_TIMEOUT = 10.0
"""Seconds that the hub has to answer before it counts as unreachable."""


class HuggingFaceDataset:
    """One split of a Hugging Face dataset.

    A dataset on disk is sharded by row number. A streamed one is sharded by whole data files, so
    no job reads another's; its ids are split, data file and row in that file, and do not depend
    on the number of shards. Resuming inside a streamed shard rereads the rows of its own files
    before ``start`` without decoding them, since a stream cannot seek.
    """

    def __init__(self, config: HuggingFaceConfig) -> None:
        self.attributes = check(config.attributes)
        self._config = config
        self._local = expanded(config.path).exists()
        if config.gated and not self._local:
            _need_token(config.path)
        datasets = _datasets()
        self._revision = None if self._local else _revision(config, datasets)
        with dataset_errors(f"dataset.path={config.path!r}"):
            self._data = datasets.load_dataset(
                config.path,
                name=config.subset,
                split=config.split,
                revision=self._revision,
                streaming=config.streaming,
            )
        self._rows: dict[int, int] = {}
        self._labels: dict[str, Any] = {}
        if self._data.features is not None:  # unknown for JSON streams, whose rows are used as is
            self._prepare(datasets)
        if self._local and self._data.info.builder_name == "imagefolder":
            _tell_images_left_out(expanded(config.path))

    def _prepare(self, datasets: ModuleType) -> None:
        """Leave out the columns that are not needed, and leave the image encoded."""
        config = self._config
        named = {"image": config.image, "caption": config.caption, "id": config.id}
        named |= {f"attributes.{name}": name for name in self.attributes}
        wanted = {setting: column for setting, column in named.items() if column is not None}
        features = self._data.features
        check_columns(wanted, features, f"{config.path} ({config.split})")
        self._labels = {
            name: features[name]
            for name in wanted.values()
            if isinstance(features[name], datasets.ClassLabel)
        }
        with dataset_errors(f"dataset.image={config.image}"):
            data = self._data.select_columns(list(dict.fromkeys(wanted.values())))
            self._data = data.cast_column(config.image, datasets.Image(decode=False))

    @property
    def files(self) -> int:
        """The data files of a stream; otherwise 1, shards are ranges of all rows."""
        return self._total if self._config.streaming else 1

    @property
    def _total(self) -> int:
        """Rows, or data files of a stream."""
        return int(self._data.num_shards if self._config.streaming else self._data.num_rows)

    def identity(self) -> dict[str, str | int | None]:
        """Return the kind, the number of rows (of a stream: data files), and the request.

        A hub dataset is identified by its commit, the revision; a local one by its columns and
        size.
        """
        config = self._config
        content = [
            self._data.column_names,
            None if config.streaming else self._data.info.dataset_size,
        ]
        asked = [config.subset, config.split, config.streaming]
        where = content if self._local else [config.path]
        return {
            "kind": config.kind,
            "sources": self._total,
            "digest": digest([json.dumps([*asked, *where])]),
            "revision": self._revision,
        }

    def num_items(self, shard: int, count: int) -> int | None:
        """Return the number of items, or None for a stream of non-Parquet files."""
        if not self._config.streaming:
            return len(span(shard, count, self._total))
        owned = self._owned(shard, count)
        return sum(map(self._count, owned)) if self._parquet else None

    @cached_property
    def _parquet(self) -> Sequence[str]:
        """The paths or URLs of a stream's data files, in its order; none if they are not Parquet.

        A stream does not expose which files it reads.
        """
        config = self._config
        with dataset_errors(f"dataset.path={config.path!r}"):
            builder = _datasets().load_dataset_builder(
                config.path, name=config.subset, revision=self._revision
            )
        paths = (builder.config.data_files or {}).get(config.split, [])
        told = len(paths) == self._total and all(path.endswith(".parquet") for path in paths)
        return paths if told else []

    def _count(self, file: int) -> int:
        """Return the row count of a Parquet file; its footer is fetched along with the next."""
        if file not in self._rows:
            paths = self._parquet[file : file + _CONNECTIONS]
            with ThreadPoolExecutor(_CONNECTIONS) as pool:
                self._rows.update(enumerate(pool.map(count_rows, paths), file))
        return self._rows[file]

    def records(
        self, shard: int, count: int, start: int = 0, cursor: Cursor | None = None
    ) -> Iterator[Record | Reject]:
        """Yield the items of a shard from ``start`` on.

        Raises:
            ConfigError: a streamed dataset has fewer data files than ``count``.
            DatasetError: the data cannot be read.
        """
        rows = self._stream if self._config.streaming else self._slice
        with dataset_errors(f"dataset.path={self._config.path!r}"):
            numbered = rows(shard, count, start)
            while batch := list(islice(numbered, _BATCH)):
                yield from self._records(batch)

    def _slice(self, shard: int, count: int, start: int) -> Iterator[tuple[str, dict[str, Any]]]:
        owned = span(shard, count, self._total)[start:]
        for first in range(owned.start, owned.stop, _BATCH):
            columns = self._data[first : min(first + _BATCH, owned.stop)]
            for number, values in enumerate(zip(*columns.values(), strict=True), first):
                yield f"{number}", dict(zip(columns, values, strict=True))

    def _owned(self, shard: int, count: int) -> range:
        """Return the data files of a streamed shard."""
        files = self._total
        if count > files:
            raise ConfigError(
                f"sharding.count={count} is more than the {files} data file(s) of "
                f"{self._config.path!r}, which is streamed; set sharding.count to at most {files}, "
                "or dataset.streaming=false"
            )
        return span(shard, count, files)

    def _stream(self, shard: int, count: int, start: int) -> Iterator[tuple[str, dict[str, Any]]]:
        numbered = (
            (f"{file}/{number}", row)
            for file in self._owned(shard, count)
            for number, row in enumerate(
                self._data.shard(num_shards=self._total, index=file, contiguous=True)
            )
        )
        return islice(numbered, start, None)

    def _records(self, batch: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[Record | Reject]:
        config = self._config
        cells = [row.get(config.image) for _, row in batch]
        images = read_images(cells, config.path, config.max_file_bytes)
        hub = config.path if self._local else f"hf://datasets/{config.path}@{self._revision}"
        for (place, row), (image, address) in zip(batch, images, strict=True):
            for column, label in self._labels.items():
                known = row[column] is not None and row[column] >= 0  # -1: a test set's
                row[column] = label.int2str(row[column]) if known else None
            given = row.get(config.id) if config.id else None
            id = f"{config.split}/{place}" if given is None else to_utf8(str(given))
            uri = f"{hub}#{config.split}/{place}"
            if address is not None and (self._local or "://" in address):  # not a path in a cache
                uri = address
            caption = row.get(config.caption) if config.caption else None
            yield make_record(id, uri, image, caption, row, self.attributes)


def _datasets() -> ModuleType:
    try:
        import datasets
    except ImportError as error:
        raise missing("dataset.kind=huggingface", "huggingface", "datasets") from error
    module: ModuleType = datasets
    return module


def _tell_images_left_out(folder: Path) -> None:
    """Name the images that ``datasets`` leaves out of a folder without a word.

    Of files that no metadata names, datasets 5.0 takes those with the extensions of a fixed list,
    which lacks AVIF; see findings/datasets-imagefolder-drops-avif.sh.
    """
    from datasets.packaged_modules.imagefolder.imagefolder import ImageFolder

    files = [*folder.rglob("*.*")] if folder.is_dir() else []
    if any(file.stem == "metadata" for file in files):
        return
    left = PassedOver()
    for file in files:
        suffix = file.suffix.lower()
        image = suffix[1:] in SUFFIXES or suffix[1:] in RARELY_READ
        if image and suffix not in ImageFolder.EXTENSIONS:
            left.add(f"{suffix} files, which datasets does not load", str(file))
    left.report(str(folder))


def _need_token(path: str) -> None:
    from huggingface_hub import get_token

    if not get_token():
        raise ConfigError(
            f"dataset.path={path!r} is gated and there is no HF_TOKEN; accept the terms at "
            f"https://huggingface.co/datasets/{path} and put HF_TOKEN=... into the environment "
            "or into .env"
        )


def _revision(config: HuggingFaceConfig, datasets: ModuleType) -> str | None:
    """Return the commit to read, so that every job and every resume reads the same one.

    The one request also shows quickly whether the hub can be reached; `load_dataset` would retry
    for half a minute. Offline, the commit is whatever the cache holds: pin ``dataset.revision``.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    if datasets.config.HF_HUB_OFFLINE:
        return config.revision
    say_hub_retries_once()
    try:
        info = HfApi().dataset_info(config.path, revision=config.revision, timeout=_TIMEOUT)
    except HFValidationError as error:
        raise DatasetError(
            f"dataset.path={config.path!r} is neither an existing folder nor a name on the hub "
            "(owner/dataset)"
        ) from error
    except RepositoryNotFoundError as error:
        raise DatasetError(
            f"dataset.path={config.path!r} is not on the hub, or is private or gated; check the "
            f"name at https://huggingface.co/datasets/{config.path}, and HF_TOKEN"
        ) from error
    except Exception as error:  # each version of the hub's client has its own network errors
        named = f" dataset.revision={config.revision!r}" if config.revision else ""
        raise DatasetError(
            f"dataset.path={config.path!r}{named}: the hub did not answer: {first_line(error)}; "
            "check the network, or read a copy in the cache with HF_HUB_OFFLINE=1"
        ) from error
    return info.sha
