"""Opens a dataset from its configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.config import ImageDatasetConfig

if TYPE_CHECKING:
    from clipvec.config import DatasetConfig
    from clipvec.data.listing import Listing
    from clipvec.data.record import Dataset
    from clipvec.data.synthetic import SyntheticDataset


def open_dataset(
    config: DatasetConfig, listing: Listing | None = None
) -> Dataset | SyntheticDataset:
    """Return the dataset that ``config`` describes, listed but not read.

    Args:
        config: of the dataset.
        listing: sources of one that grows, to read no others; None: all.

    Raises:
        ConfigError: an attribute or column name is not allowed, a package or a token is missing.
        DatasetError: nothing matches the path, or a source cannot be listed or opened.
    """
    dataset = config.load()(config) if listing is None else config.load()(config, listing)
    if isinstance(config, ImageDatasetConfig) and config.limit is not None:
        from clipvec.data.limit import LimitedDataset

        return LimitedDataset(dataset, config, config.limit)
    return dataset  # type: ignore[no-any-return]
