"""The ``dataset`` group: where pictures come from."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field
from pydantic.dataclasses import dataclass

from clipvec.config.fields import STRICT, Attributes, Limit, Name


@dataclass(frozen=True, config=STRICT)
class WebDatasetConfig:
    """Tar files in the WebDataset layout: the members of one sample share a key."""

    kind: Literal["webdataset"]
    name: Name
    path: str | list[str]
    """Files, ``{0..9}`` and glob patterns, or URLs that fsspec opens."""
    json_caption: str = "caption"
    """Field of the ``.json`` member that is the caption when there is no ``.txt`` member."""
    attributes: Attributes = Field(default_factory=dict)
    """Fields of the ``.json`` member to carry along, and their types."""
    limit: Limit = None
    """Only the first so many records exist; null: all. Part of the store's identity."""


@dataclass(frozen=True, config=STRICT)
class FolderConfig:
    """Image files in a folder and its subfolders."""

    kind: Literal["folder"]
    name: Name
    path: str
    manifest: str | None = None
    """CSV or JSONL with a ``file`` column, relative to ``path``; null: .txt/.json beside images."""
    caption: str = "caption"
    """Column of the manifest, or field of the ``.json`` file, that is the caption."""
    attributes: Attributes = Field(default_factory=dict)
    """Manifest columns or ``.json`` fields to carry along; ``folder`` is the image's subfolder."""
    limit: Limit = None
    """Only the first so many records exist; null: all. Part of the store's identity."""


@dataclass(frozen=True, config=STRICT)
class ParquetConfig:
    """Parquet files with an image in each row."""

    kind: Literal["parquet"]
    name: Name
    path: str | list[str]
    """Files, ``{0..9}`` and glob patterns, or URLs that fsspec opens."""
    image: str = "image"
    """Column of encoded images: binary, Hugging Face's ``{bytes, path}``, or paths and URLs."""
    caption: str | None = None
    """Column of the caption."""
    id: str | None = None
    """Column of a unique id; null: file and row number."""
    attributes: Attributes = Field(default_factory=dict)
    """Columns to carry along, and their types."""
    limit: Limit = None
    """Only the first so many records exist; null: all. Part of the store's identity."""


@dataclass(frozen=True, config=STRICT)
class HuggingFaceConfig:
    """A dataset of the Hugging Face hub, or local files that ``datasets`` can load."""

    kind: Literal["huggingface"]
    name: Name
    path: str
    """Hub name, or a local folder."""
    subset: str | None = None
    """The dataset's configuration name."""
    split: str = "train"
    revision: str | None = None
    """Git revision of the dataset; null: the newest."""
    streaming: bool = False
    """Read over the network without a copy on disk; shards are then whole data files."""
    gated: bool = False
    """Needs HF_TOKEN, in the environment or in ``.env``."""
    image: str = "image"
    """Column of the image."""
    caption: str | None = None
    """Column of the caption; the names of a class label are used as text."""
    id: str | None = None
    """Column of a unique id; null: split and row number, or data file and row number."""
    attributes: Attributes = Field(default_factory=dict)
    """Columns to carry along, and their types; a class label becomes its name."""
    limit: Limit = None
    """Only the first so many records exist; null: all. Part of the store's identity."""


@dataclass(frozen=True, config=STRICT)
class SyntheticConfig:
    """Vectors that are drawn, with ``model=synthetic``: see docs/synthetic.md."""

    kind: Literal["synthetic"]
    name: Name
    rows: Annotated[int, Field(ge=1)]
    dim: Annotated[int, Field(ge=2, le=65536)]
    """Length of the vectors, D."""
    clusters: Annotated[int, Field(ge=1, le=1_000_000)]
    """Of power-law sizes, gathered in topics."""
    seed: Annotated[int, Field(ge=0)]

    @property
    def attributes(self) -> Attributes:
        """One that filters: ``bucket < n`` admits n thousandths of the rows."""
        return {"bucket": "int"}


PictureConfig: TypeAlias = WebDatasetConfig | FolderConfig | ParquetConfig | HuggingFaceConfig
DatasetConfig = Annotated[PictureConfig | SyntheticConfig, Field(discriminator="kind")]
