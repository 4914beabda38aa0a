"""The configuration of each command."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from clipvec import paths
from clipvec.config.cloud import CloudConfig
from clipvec.config.datasets import DatasetConfig, ImageDatasetConfig
from clipvec.config.evaluate import PricePerHour, PromptsConfig
from clipvec.config.fields import STRICT, PositiveNumber, PublicPlace, Seed
from clipvec.config.groups import (
    HnswConfig,
    NameOnly,
    ShardingConfig,
    StoreConfig,
    TrackingConfig,
)
from clipvec.config.indexes import IndexConfig
from clipvec.config.launchers import LauncherConfig
from clipvec.config.models import ModelConfig
from clipvec.config.readers import READERS
from clipvec.config.recall import (
    MeasureConfig,
    MeasuredModelConfig,
    QueriesConfig,
    StoreIdentity,
    Systems,
)
from clipvec.config.serving import DeployConfig, SearchConfig, ServeConfig


class OfStore:
    """The configuration of a command on one store."""

    model: Any
    dataset: Any
    store: StoreConfig

    @property
    def store_url(self) -> str:
        """Path or URL of the store."""
        return paths.store_dir(self.store.root, self.dataset.name, self.model.name)

    @property
    def collection(self) -> str:
        """Name of the index of the whole store."""
        return paths.collection_name(self.dataset.name, self.model.name)


@dataclass(frozen=True, config=STRICT)
class EmbedConfig(OfStore):
    """``clipvec embed``."""

    model: ModelConfig
    dataset: DatasetConfig
    sharding: ShardingConfig
    store: StoreConfig
    cloud: CloudConfig
    launcher: LauncherConfig
    tracking: TrackingConfig
    shards: Any
    """Which shards to embed now: ``7``, ``0-99``, ``'[0-9,20]'`` or ``all``."""
    reuse: PublicPlace | None
    """Another model whose store of the same dataset says what there is to embed: rows, thumbnails,
    rejects, deletions and generations are taken over, and only vectors are made. By its name, or by
    the location of its store, which has a ``/``. null: none."""
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    """Images per forward pass."""
    part_rows: Annotated[int, Field(ge=1, le=1_000_000)]
    """Rows of a part file, rounded up to whole batches: the most that a killed job repeats."""
    max_reject_fraction: Annotated[float, Field(ge=0, le=1)]
    """Share of a shard's images, or of 100 where it has fewer, that may be rejected before the
    shard fails."""
    max_removed_fraction: Annotated[float, Field(ge=0, le=1)]
    """Largest share of the store's rows, or files, that may be gone: a disk that is not there
    removes none."""
    max_pixels: Annotated[int, Field(ge=1)]
    """Most pixels (width x height) of an image; a larger one is rejected unread, as a guard against
    decompression bombs."""
    max_decode_seconds: Annotated[int, Field(ge=1)]
    """Most processor time for an image that is large or of many pieces; one that takes longer is
    rejected."""
    decode_threads: Annotated[int, Field(ge=0, le=1024)]
    """Threads that decode images; 0: one per core."""

    @property
    def extras(self) -> tuple[str, ...]:
        """What reads images where a job is launched reads them in the job, too."""
        of_images = isinstance(self.dataset, ImageDatasetConfig)
        return tuple(reader.extra for reader in READERS if of_images and reader.installed)


@dataclass(frozen=True, config=STRICT)
class IndexCommandConfig(OfStore):
    """``clipvec index``."""

    model: NameOnly
    dataset: NameOnly
    sharding: ShardingConfig
    store: StoreConfig
    index: IndexConfig
    hnsw: HnswConfig
    cloud: CloudConfig
    launcher: LauncherConfig
    tracking: TrackingConfig
    partition: int | str | list[int | str] | None
    """Shards that get a collection of their own, as in ``shards``; null: one collection of all. A
    partition is built where there is memory for it; all that are there are searched together."""
    alias: str | None
    """Name that stands for the collection once it is verified, in place of the one that it stood
    for: search and the service open it by ``collection=<alias>``, a running service takes it up.
    null: none."""
    shards: Any
    """Shards whose rows to encode now, as each job of a sweep does with some: ``7``, ``0-99``,
    ``'[0-9,20]'`` or ``all``. The job after which all of the store are encoded writes and publishes
    the index. null: one job does all. ``index=faiss`` takes it."""
    num_shards: Annotated[int, Field(ge=1)] | None
    """Index the shards with numbers below this one; a sweep sets it, so that its jobs index the
    same shards while the store grows. null: all."""
    allow_partial: bool
    """Index the committed shards even if others are missing; ``alias`` stands for these, too."""
    rebuild: bool | Annotated[str, Field(pattern="^([0-9a-f]{32}|damaged)$")]
    """Build a new index beside the old one, verify it, and replace the old one; also
    ``--rebuild``. A sweep over ``shards`` gives its jobs the id of the build that they replace, so
    that they build one."""
    batch_rows: Annotated[int, Field(ge=1)]
    """Rows per call of the index backend; it may allow fewer."""

    @property
    def extras(self) -> tuple[str, ...]:
        """A tracked run draws a map of the images."""
        return () if self.tracking.mode == "disabled" else ("dashboard",)


@dataclass(frozen=True, config=STRICT)
class CheckConfig(OfStore):
    """``clipvec check``."""

    model: NameOnly
    dataset: NameOnly
    store: StoreConfig
    index: IndexConfig
    store_only: bool
    """Leave the index out; also ``--store-only``."""


@dataclass(frozen=True, config=STRICT)
class RejectsConfig(OfStore):
    """``clipvec rejects``."""

    model: NameOnly
    dataset: NameOnly
    store: StoreConfig
    shown: Annotated[int, Field(ge=0)]
    """Images to name of each reason; 0: all."""


@dataclass(frozen=True, config=STRICT)
class ProjectionConfig(OfStore):
    """``clipvec projection``."""

    model: NameOnly
    dataset: NameOnly
    store: StoreConfig


@dataclass(frozen=True, config=STRICT)
class DeleteConfig(OfStore):
    """``clipvec delete``."""

    model: NameOnly
    dataset: NameOnly
    store: StoreConfig
    ids: int | str | list[int | str] | None
    """Ids of rows to delete, as search shows them."""
    where: str | list[str] | None
    """Filters that rows to delete satisfy, all of them, as ``--where`` of search takes them."""
    file: str | None
    """Text file with an id on each line."""
    undo: str | None
    """Name of a deletion to take back."""
    reason: str | None
    """Kept with the deletion."""
    dry_run: bool
    """Say what would be deleted, and change nothing; also ``--dry-run``."""
    ignore_missing: bool
    """Delete the rows that there are, even if some ids are not in the store."""
    forever: bool
    """Delete images with the same bytes too, and never embed one of these ids or bytes again; also
    ``--forever``."""
    max_removed_fraction: Annotated[float, Field(ge=0, le=1)]
    """Largest share of the rows that ``where`` may delete."""


@dataclass(frozen=True, config=STRICT)
class CompactConfig(OfStore):
    """``clipvec compact``."""

    model: NameOnly
    dataset: NameOnly
    store: StoreConfig
    index: IndexConfig
    dry_run: bool
    """Say what would be taken out, and change nothing; also ``--dry-run``."""


@dataclass(frozen=True, config=STRICT)
class RecallConfig(OfStore):
    """``clipvec recall``."""

    extras: ClassVar = ("recall",)
    model: MeasuredModelConfig
    dataset: StoreIdentity
    sharding: ShardingConfig
    store: StoreConfig
    index: IndexConfig
    systems: Systems
    measure: MeasureConfig
    queries: QueriesConfig
    cloud: CloudConfig
    launcher: LauncherConfig
    tracking: TrackingConfig
    target_recall: Annotated[float, Field(gt=0, le=1)]
    """Lowest recall@k (k: ``measure.k``) of the recommended setting."""
    apply: bool
    """Set the recommended search parameters on the live index. ``clipvec index`` sets its own
    ``hnsw.ef_search`` on Chroma's again."""
    report_dir: str
    """Folder of the report, named to the microsecond because a sweep starts many at once."""
    work_dir: str
    """Folder of logs and of what later runs reuse: a system is not measured again while its
    options, store, processor and versions are the same. Runs that share a folder take turns, so
    that they do not spoil each other's timings."""


@dataclass(frozen=True, config=STRICT)
class EvaluateConfig(OfStore):
    """``clipvec evaluate``."""

    model: NameOnly
    dataset: NameOnly
    store: StoreConfig
    tracking: TrackingConfig
    prompts: PromptsConfig
    against: str | list[str] | None
    """Other models to compare this one with, by the names of their stores of the same dataset, or
    by the locations of those, which have a ``/``; null: none."""
    captions: Annotated[int, Field(ge=0)]
    """Captions to search images with, drawn at random where there are more, and images to search
    captions with, as many; 0: none."""
    label: str | None
    """Attribute whose values are the classes of the images; null: none."""
    images: Annotated[int, Field(ge=2)]
    """Images to classify, drawn at random where more have a class."""
    neighbours: Annotated[int, Field(ge=1, le=50)]
    """Nearest images that vote on the class of one."""
    agreement: Annotated[int, Field(ge=0)]
    """Images whose nearest neighbours are compared with those by the models of ``against``, drawn
    at random; 0: none."""
    text_file: str | None
    """Text file with a query on each line, to which the answers by the models of ``against`` are
    compared, 5,000 drawn at random where there are more; null: none."""
    recall_reports: str | None
    """Folder of the reports of ``clipvec recall``; the newest of each store says what its indexes
    lose, how fast they are and how large. null: none is looked for."""
    price_per_hour: PricePerHour | None
    """US dollars an hour of the GPU that embeds, or of a machine without one, for all models or by
    their names, such as ``{vit_l_14: 1.2}``; null: what the latest sweep of a store records that
    ran on its hardware alone."""
    max_price: PositiveNumber | None
    """Most US dollars for embedding a million images with the model to take; null: no limit."""
    max_bytes_per_row: PositiveNumber | None
    """Most bytes a row of its vectors or its index; null: no limit."""
    min_qps: PositiveNumber | None
    """Fewest queries a second, sent one at a time; null: no limit."""
    seed: Seed
    """Of the drawing and of the bootstrap."""
    report_dir: str
    """Folder of the report, named to the microsecond because a sweep starts many at once."""

    @property
    def others(self) -> list[str]:
        """The models to compare with, as a list."""
        return [self.against] if isinstance(self.against, str) else self.against or []

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are given, by their names."""
        given = {
            name: getattr(self, name) for name in ("max_price", "max_bytes_per_row", "min_qps")
        }
        return {name: limit for name, limit in given.items() if limit is not None}


@dataclass(frozen=True, config=STRICT)
class DashboardConfig(OfStore):
    """``clipvec dashboard``."""

    model: NameOnly
    dataset: NameOnly
    store: StoreConfig
    tracking: TrackingConfig
    local: bool
    """Write one HTML page from the store and the runs beside it; also ``--local``."""
    sweep: str | None
    """With ``local``, the sweep to show; null: the latest."""
    page: str
    """With ``local``, the page to write."""
    dry_run: bool
    """Print what would be created in wandb, and send nothing."""


SCHEMAS: dict[str, type] = {
    "embed": EmbedConfig,
    "index": IndexCommandConfig,
    "check": CheckConfig,
    "rejects": RejectsConfig,
    "projection": ProjectionConfig,
    "delete": DeleteConfig,
    "compact": CompactConfig,
    "recall": RecallConfig,
    "evaluate": EvaluateConfig,
    "search": SearchConfig,
    "serve": ServeConfig,
    "deploy": DeployConfig,
    "dashboard": DashboardConfig,
}
"""What the configuration of each command, ``conf/<name>.yaml``, has to fit."""

COMMANDS = {
    f"clipvec.{name}": schema
    for name, schema in SCHEMAS.items()
    if "launcher" in schema.__annotations__
}
"""The commands that can be swept, and what their configuration has to fit."""
