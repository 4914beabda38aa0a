"""The fingerprint of a store, from its dataset and its encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec import version
from clipvec.config import to_dict
from clipvec.store import Fingerprint, Golden, ModelFingerprint

if TYPE_CHECKING:
    from clipvec.config import EmbedConfig
    from clipvec.data import Dataset, SyntheticDataset


def synthetic_fingerprint(dataset: SyntheticDataset) -> ModelFingerprint:
    """Return the fingerprint of synthetic vectors: the distribution stands for the weights."""
    image, text = dataset.distribution.golden()
    return ModelFingerprint(
        arch="synthetic",
        weights=dataset.distribution.digest(),
        preprocessing={},
        dim=dataset.config.dim,
        golden=Golden(image, text),
    )


def data_fields(config: EmbedConfig, dataset: Dataset | SyntheticDataset | None) -> dict[str, Any]:
    """Return the fields of a fingerprint that are known before the model is loaded.

    Args:
        config: of the command.
        dataset: opened; may be None if it grows.
    """
    asked = to_dict(config.dataset)
    rows = {key: asked[key] for key in config.dataset.row_settings}
    # the resolved revision, if the newest was requested; generations say what is in one that grows
    content: dict[str, Any] = {"kind": config.dataset.kind}
    if dataset is not None and not config.dataset.grows:
        content = dataset.identity()
    return {
        "dataset": {"name": config.dataset.name, **rows, **content},
        "sharding_count": config.sharding.count,
        "attributes": dict(config.dataset.attributes),
        "dtype": config.store.dtype,
        "thumbnail": config.store.thumbnail,
    }


def fingerprint(
    config: EmbedConfig,
    dataset: Dataset | SyntheticDataset,
    model: ModelFingerprint,
    precision: str,
) -> Fingerprint:
    """Return the fingerprint of a store of ``dataset`` with the vectors of ``model``."""
    fields = data_fields(config, dataset)
    return Fingerprint(model=model, precision=precision, code=version.version(), **fields)
