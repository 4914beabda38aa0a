"""From a configuration to a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.config import (
    FolderConfig,
    HuggingFaceConfig,
    ParquetConfig,
    SyntheticConfig,
    WebDatasetConfig,
)
from clipvec.data.synthetic import SyntheticDataset

if TYPE_CHECKING:
    from clipvec.config import DatasetConfig, PictureConfig
    from clipvec.data.record import Dataset, WholeDataset


def open_dataset(config: DatasetConfig) -> Dataset | SyntheticDataset:
    """Return the dataset that ``config`` describes, listed but not read.

    Raises:
        ConfigError: an attribute or column name is not allowed, a package or a token is missing.
        DatasetError: nothing matches the path, or a source cannot be listed or opened.
    """
    if isinstance(config, SyntheticConfig):
        return SyntheticDataset(config)
    dataset = _open_whole(config)
    if config.limit is None:
        return dataset
    from clipvec.data.limit import FirstRecords

    return FirstRecords(dataset, config, config.limit)


def _open_whole(config: PictureConfig) -> WholeDataset:
    match config:
        case WebDatasetConfig():
            from clipvec.data.webdataset import TarDataset

            return TarDataset(config)
        case FolderConfig():
            from clipvec.data.folder import FolderDataset

            return FolderDataset(config)
        case ParquetConfig():
            from clipvec.data.parquet import ParquetDataset

            return ParquetDataset(config)
        case HuggingFaceConfig():
            from clipvec.data.huggingface import HuggingFaceDataset

            return HuggingFaceDataset(config)
