"""Datasets: the images of one shard, still encoded, from tars, folders, Parquet or Hugging Face.

`open_dataset` takes a dataset's configuration and returns a `Dataset`; `decode` turns the bytes
of a `Record` into pixels. The readers themselves are imported when one is opened.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.config import (
    FolderConfig,
    HuggingFaceConfig,
    ParquetConfig,
    SyntheticConfig,
    WebDatasetConfig,
)
from clipvec.data.decode import Picture, Undecodable, decode, thumbnail
from clipvec.data.record import Bookmark, Dataset, Record, Reject, Value, file_of
from clipvec.data.synthetic import SyntheticDataset

if TYPE_CHECKING:
    from clipvec.config import DatasetConfig, PictureConfig
    from clipvec.data.record import WholeDataset

__all__ = [
    "Bookmark",
    "Dataset",
    "Picture",
    "Record",
    "Reject",
    "SyntheticDataset",
    "Undecodable",
    "Value",
    "decode",
    "file_of",
    "open_dataset",
    "thumbnail",
]


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
    from clipvec.data.first import FirstRecords

    return FirstRecords(dataset, config, config.limit)


def _open_whole(config: PictureConfig) -> WholeDataset:
    match config:
        case WebDatasetConfig():
            from clipvec.data.tars import TarDataset

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
