"""Single data files of a dataset that the package ``datasets`` reads."""

from __future__ import annotations

import os
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from clipvec.data.files import digest
from clipvec.errors import ConfigError, DatasetError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.config import HuggingFaceConfig
    from clipvec.data.files import Source

_KINDS = frozenset({"arrow", "csv", "json", "parquet", "webdataset"})
"""Builders of ``datasets`` each of whose rows comes from one data file, and from nothing else."""
_ARCHIVES = (".7z", ".bz2", ".gz", ".tar", ".tgz", ".xz", ".zip", ".zst")
BATCH = 16
"""Rows held in memory at once."""
_CACHE = "clipvec-data-files"


class DataFiles:
    """Reads data files one by one, each as if it were the dataset."""

    def __init__(self, config: HuggingFaceConfig, builder: Any) -> None:
        """Take a builder of all of them."""
        self._config = config
        self._given = builder
        self.told_apart = config.split in (builder.config.data_files or {}) and (
            builder.name in _KINDS
        )
        """Whether each row is of a data file that is known, and depends on no other."""
        self.counted = (
            self.told_apart and builder.name == "parquet" and builder.config.filters is None
        )
        """Whether footers tell how many rows there are."""

    def check(self, sources: Sequence[Source]) -> None:
        """Refuse what the package takes for data files, and cannot read as they are.

        Raises:
            ConfigError: numbers of tars would be those of their first samples in kind.
            DatasetError: Parquet files are packed.
        """
        packed = [each for each in sources if each.name.lower().endswith(_ARCHIVES)]
        if packed and self._given.name == "parquet":
            raise DatasetError(
                f"{packed[0].url} packs Parquet files, which datasets cannot read so; unpack it"
            )
        numbers = [k for k, kind in self._config.attributes.items() if kind in {"int", "float"}]
        if self._given.name == "webdataset" and numbers and not self._given.info.features:
            # findings/datasets-webdataset-learns-columns-from-five-samples.sh
            raise ConfigError(
                f"dataset.attributes: datasets cuts {numbers[0]} to whole numbers where the first "
                "five samples of a tar have such; give dataset=webdataset and a pattern of the "
                "tars, such as dataset.path='hf://datasets/owner/name/*.tar'"
            )

    def declared(self, columns: list[str]) -> str | None:
        """Return a digest of what the card says of some columns; None: nothing."""
        features = self._given.info.features or {}
        said = [
            (name, getattr(features[name], "dtype", None), getattr(features[name], "names", None))
            for name in columns
            if name in features
        ]
        return digest(said) if said else None

    def rows(self, source: Source) -> Any:
        """Return the rows of a file from its start: streamed, or of a copy in the hub's cache."""
        return self._streamed(source, self._given.info.features)

    def columns(self, source: Source) -> list[str]:
        """Return the columns that a file has, whatever the card declares; it has rows."""
        rows = self._streamed(source, None)
        # unknown of CSV and JSON
        return list(rows.features or next(iter(rows), ()))

    def _streamed(self, source: Source, features: Any) -> Any:
        path = source.path if self._config.streaming else _copy(source.path)
        # where datasets leaves a lock for each builder, and nothing else
        with TemporaryDirectory() as cache:
            builder = self._builder(source, path, features, cache)
            return builder.as_streaming_dataset(split=self._config.split)

    def prepared(self, source: Source) -> Any:
        """Return the rows of a file by their numbers; None: there are none."""
        import datasets

        # not the link, which names the commit: one cache for all that have the same content
        path = _copy(source.path)
        path = path if "://" in path else os.path.realpath(path)
        # apart from those of all files, of one of which datasets would take it offline
        cache = f"{datasets.config.HF_DATASETS_CACHE}/{_CACHE}"
        builder = self._builder(source, path, self._given.info.features, cache)
        datasets.disable_progress_bars()  # one for each file
        builder.download_and_prepare(verification_mode="no_checks")
        split = self._config.split
        # as_dataset refuses one without rows
        rows = builder.info.splits[split].num_examples
        return builder.as_dataset(split=split) if rows else None

    def _builder(self, source: Source, path: str, features: Any, cache: str) -> Any:
        """Return a builder of one data file; features: what the card declares; None: find them."""
        import datasets
        from datasets.data_files import DataFilesDict, DataFilesList

        given, split = self._given, self._config.split
        options = {key: value for key, value in vars(given.config).items() if key != "data_files"}
        asked = {"converters": {self._config.id: str}} if self._reads_ids_as_text else {}
        return type(given)(
            cache_dir=cache,
            dataset_name=given.dataset_name,
            config_name=given.config.name,
            hash=digest([features, *sorted(options.items())]),  # not that of the commit
            base_path=given.base_path,
            info=datasets.DatasetInfo(features=features),
            data_files=DataFilesDict(
                {split: DataFilesList([path], [(f"{source.size}", f"{source.version}")])}
            ),
            **asked,
        )

    @property
    def _reads_ids_as_text(self) -> bool:
        """Whether the type of ids would depend on what else is in their file."""
        given = self._given
        return (
            given.name == "csv"
            and self._config.id is not None
            and not given.info.features
            and not given.config.converters
        )


def slices(data: Any, first: int, last: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a dataset on disk, a few read at once."""
    for begin in range(first, last, BATCH):
        columns = data[begin : min(begin + BATCH, last)]
        for values in zip(*columns.values(), strict=True):
            yield dict(zip(columns, values, strict=True))


def _copy(path: str) -> str:
    """Return a path to a file of the hub on the disk, as it is there; that of any other file."""
    from datasets.utils.file_utils import cached_path

    return cached_path(path) if path.startswith("hf://") and "::" not in path else path
