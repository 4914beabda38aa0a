"""The ``dataset`` group: where images come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field
from pydantic.dataclasses import dataclass

from clipvec.config.fields import STRICT, Attributes, Encoding, Limit, Name, Place, Places, name_of
from clipvec.config.kinds import Kind, Registry
from clipvec.locations import expanded

EXCLUDED = (
    ".*",
    "@eaDir",  # Synology
    "#recycle",
    "#snapshot",
    "@Recycle",  # QNAP
    "@Recently-Snapshot",
    "$RECYCLE.BIN",  # Windows
    "System Volume Information",
    "__MACOSX",  # archives made on a Mac
    "lost+found",
    "*.lrdata",  # previews of Lightroom
)
"""Hidden files, and what file servers and other programs keep beside photos."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DatasetKind(Kind):
    """Options of every kind of dataset, which loads a `clipvec.data.Dataset`."""

    row_settings: ClassVar[tuple[str, ...]] = ()
    """Options that determine the rows: part of the store's identity."""
    by_source: ClassVar[bool] = False
    """Whether it tells its sources apart (`clipvec.data.GrowingDataset`), so that a store of it can
    take up what is new, changed or gone."""
    name: Name
    """Folder of the store, and part of a collection's name."""

    @property
    def attributes(self) -> Attributes:
        """Attributes of the rows, and their types."""
        return {}

    @property
    def inputs(self) -> dict[str, list[str]]:
        """Files, folders and URLs that the dataset is read from, by option."""
        places = getattr(self, "path", [])
        return {"dataset.path": [places] if isinstance(places, str) else list(places)}

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables without which it cannot be read, and why."""
        return {}

    @property
    def expected_items(self) -> int | None:
        """About how many items it has, if known without opening it."""
        return None

    @property
    def grows(self) -> bool:
        """Whether a store of it follows its changes."""
        return self.by_source

    @property
    def place(self) -> str:
        """The folder of this machine that gave it its name, or the repository of a hub, which
        others may have names in common with; empty: none."""
        return ""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ImageDatasetConfig(DatasetKind):
    """Options of every dataset of images."""

    attributes: Attributes = Field(default_factory=dict)
    """Columns, or fields of ``.json`` files, to store, and their types."""
    limit: Limit = None
    """Use only this many records, from the first; null: all. Part of the store's identity."""
    num_images: Limit = None
    """About how many images there are, to forecast what a sweep takes; null: not known."""
    keep_removed: bool = False
    """Keep the rows of files that are no longer there."""
    max_file_bytes: Annotated[int, Field(ge=1)] = 2**28
    """Most bytes of an image or caption, as a file, a member of a tar or a value of a column; a
    larger one is rejected unread."""

    @property
    def grows(self) -> bool:
        """Whether a store of it follows its changes: the first records are those of one moment."""
        return self.by_source and self.limit is None

    @property
    def expected_items(self) -> int | None:
        """``num_images``, and no more than ``limit``."""
        known = [count for count in (self.limit, self.num_images) if count is not None]
        return min(known, default=None)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WebDatasetConfig(ImageDatasetConfig):
    """Tar files in the WebDataset layout: the members of one sample share a key."""

    loads = "clipvec.data.webdataset:TarDataset"
    by_source = True
    row_settings = ("caption", "encoding")
    kind: Literal["webdataset"] = "webdataset"
    path: Places
    """Files, ``{0..9}`` and glob patterns, or URLs that fsspec opens."""
    caption: str = "caption"
    """Field of the ``.json`` member that is the caption when there is no ``.txt`` member."""
    encoding: Encoding | None = None
    """Of captions that are neither UTF-8 nor UTF-16 with a mark, such as cp1252."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FolderConfig(ImageDatasetConfig):
    """Image files in a folder and its subfolders.

    The attributes ``folder`` and ``file`` come from an image's path, ``taken``, ``year`` and
    ``camera`` from its EXIF.
    """

    loads = "clipvec.data.folder:FolderDataset"
    by_source = True
    row_settings = ("caption", "encoding")
    kind: Literal["folder"] = "folder"
    name: Name
    """Folder of the store, and part of a collection's name: as the folder is called, unless
    given."""
    path: Place
    """The folder, or the URL of one."""
    manifest: str | None = None
    """CSV or JSONL with a ``file`` column, relative to ``path``; null: .txt/.json beside images."""
    caption: str = "caption"
    """Column of the manifest, or field of the ``.json`` file, that is the caption."""
    encoding: Encoding | None = None
    """Of captions and manifests that are neither UTF-8 nor UTF-16 with a mark, such as cp1252."""
    exclude: list[str] = Field(default_factory=lambda: list(EXCLUDED))
    """Patterns of names of folders and files that are passed over, in capitals or not."""
    follow_links: bool = False
    """Enter links to folders, each folder once; false: they are passed over."""

    @property
    def place(self) -> str:
        """The folder, where it gave the dataset its name."""
        if "://" in self.path or self.name != name_of(self.path):
            return ""
        return os.path.abspath(expanded(self.path))  # noqa: PTH100 # resolves ..

    @property
    def inputs(self) -> dict[str, list[str]]:
        """The folder; a manifest outside of it."""
        outside = self.manifest is not None and not self.manifest.startswith(self.path)
        return {"dataset.path": [self.path]} | (
            {"dataset.manifest": [self.manifest or ""]} if outside else {}
        )


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ParquetConfig(ImageDatasetConfig):
    """Parquet files with an image in each row."""

    loads = "clipvec.data.parquet:ParquetDataset"
    by_source = True
    row_settings = ("image", "caption", "id")
    kind: Literal["parquet"] = "parquet"
    path: Places
    """Files, ``{0..9}`` and glob patterns, or URLs that fsspec opens."""
    image: str = "image"
    """Column of encoded images: binary, Hugging Face's ``{bytes, path}``, or paths and URLs."""
    caption: str | None = None
    """Column of the caption."""
    id: str | None = None
    """Column of a unique id; null: file and row number."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class HuggingFaceConfig(ImageDatasetConfig):
    """A dataset on the Hugging Face hub, or local files that ``datasets`` can load.

    As an attribute or caption, a class label becomes its name.
    """

    loads = "clipvec.data.huggingface:HuggingFaceDataset"
    extras = ("huggingface",)
    by_source = True
    row_settings = ("subset", "split", "image", "caption", "id")
    kind: Literal["huggingface"] = "huggingface"
    path: Place
    """Hub name, or a local folder."""
    subset: str | None = None
    """The dataset's configuration name."""
    split: str = "train"
    """The dataset's split."""
    revision: str | None = None
    """Git revision of the dataset; null: the newest."""
    streaming: bool = False
    """Read over the network without a copy on disk; shards are then whole data files."""
    gated: bool = False
    """Whether it needs HF_TOKEN, in the environment or in ``.env``."""
    image: str = "image"
    """Column of the image."""
    caption: str | None = None
    """Column of the caption."""
    id: str | None = None
    """Column of a unique id; null: data file and row number (split and row number
    where ``datasets`` does not tell from which file a row is)."""

    @property
    def place(self) -> str:
        """Its name on the hub, if that is where it is."""
        return "" if self.inputs else self.path

    @property
    def inputs(self) -> dict[str, list[str]]:
        """The local folder, if it is one; any other is a name on the hub."""
        local = self.path.startswith(("/", "~", ".")) or Path(self.path).exists()
        return {"dataset.path": [self.path]} if local else {}

    @property
    def variables(self) -> dict[str, str]:
        """HF_TOKEN, for a gated dataset of the hub."""
        if not self.gated or self.inputs:
            return {}
        return {"HF_TOKEN": f"dataset.path={self.path!r} is gated"}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SyntheticConfig(DatasetKind):
    """Random vectors, with ``model=synthetic``: see docs/synthetic.md."""

    loads = "clipvec.data.synthetic:SyntheticDataset"
    kind: Literal["synthetic"] = "synthetic"
    rows: Annotated[int, Field(ge=1)]
    """Number of vectors."""
    dim: Annotated[int, Field(ge=2, le=65536)]
    """Length of the vectors, D."""
    clusters: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of clusters, which have power-law sizes and are grouped into topics."""
    seed: Annotated[int, Field(ge=0)]
    """Seed of the random numbers."""

    @property
    def expected_items(self) -> int | None:
        """``rows``."""
        return self.rows

    @property
    def attributes(self) -> Attributes:
        """One to filter by: ``bucket < n`` matches n thousandths of the rows."""
        return {"bucket": "int"}


DATASETS: Registry[DatasetKind] = Registry(
    "clipvec.datasets",
    (WebDatasetConfig, FolderConfig, ParquetConfig, HuggingFaceConfig, SyntheticConfig),
)
DatasetConfig: TypeAlias = Annotated[DatasetKind, DATASETS]
