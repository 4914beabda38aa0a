"""The other groups that commands share: store, hnsw, tracking."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from clipvec.config.fields import STRICT, Name, PublicPlace, matching


@dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class NameOnly:
    """The dataset or model of an existing store, which is found by its name."""

    name: Name
    """Folder of the store."""


@dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class QueriedDatasetConfig:
    """The dataset of the collection that answers, which is found by its name."""

    name: Name | None = None
    """Name of the dataset, as the index was made from; null: any."""


@dataclass(frozen=True, config=STRICT)
class ShardingConfig:
    """How the dataset is sharded: part of the store's identity."""

    count: Annotated[int, Field(ge=1)]
    """Number of shards."""


@dataclass(frozen=True, config=STRICT)
class StoreConfig:
    """Where the vectors are stored, and the content of a row."""

    root: PublicPlace
    """Folder, or URL that fsspec opens (``s3://``, ``gs://``)."""
    dtype: Literal["float16", "float32"] = "float16"
    """Type of the stored embeddings."""
    thumbnail: Annotated[int, Field(ge=0, le=1024)] = 256
    """Most pixels of the longest side of the stored JPEG thumbnail; 0: none."""


@dataclass(frozen=True, config=STRICT)
class HnswConfig:
    """Chroma's HNSW graph (arXiv 1603.09320)."""

    max_neighbors: Annotated[int, Field(ge=2, le=1024)]
    """M: links per node; more improves recall and takes more memory. Fixed once built."""
    ef_construction: Annotated[int, Field(ge=1)]
    """Candidates examined when a row is added. Fixed once built."""
    ef_search: Annotated[int, Field(ge=1)]
    """Candidates examined by a query."""


@dataclass(frozen=True, config=STRICT)
class TrackingConfig:
    """Runs in Weights & Biases, in its own terms."""

    mode: Literal["disabled", "offline", "online"]
    """``offline``: files beside the store, for ``wandb beta sync``; ``online``: uploaded too."""
    project: Annotated[
        str, matching(r"^[^/\\#?%:]+$", r"at least one character, and none of / \ # ? % :", 128)
    ] = "clipvec"
    """Project of the runs."""
    entity: str | None = None
    """User or team; null: wandb's default for the account that uploads."""
    group: str | None = None
    """Group of the run; null: its sweep, if it belongs to one."""
    tags: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(default_factory=list)
    """Tags of the runs."""
    log_interval_s: Annotated[float, Field(gt=0)] = 10.0
    """Minimum number of seconds between two points of a curve."""
