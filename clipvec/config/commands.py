"""What each command is told."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from clipvec.config.datasets import DatasetConfig
from clipvec.config.fields import STRICT, Port
from clipvec.config.groups import (
    CloudConfig,
    HnswConfig,
    IndexConfig,
    LauncherConfig,
    NameConfig,
    ShardingConfig,
    StoreConfig,
    TrackingConfig,
)
from clipvec.config.models import ModelConfig, QueryModelConfig
from clipvec.config.recall import (
    Contestants,
    MeasureConfig,
    MeasuredDatasetConfig,
    MeasuredModelConfig,
    QueriesConfig,
)


@dataclass(frozen=True, config=STRICT)
class EmbedConfig:
    """``python -m clipvec.embed``."""

    model: ModelConfig
    dataset: DatasetConfig
    sharding: ShardingConfig
    store: StoreConfig
    cloud: CloudConfig
    launcher: LauncherConfig
    tracking: TrackingConfig
    shards: Any
    """Which shards to do now: see `clipvec.shards`."""
    batch_size: Annotated[int, Field(ge=1, le=65536)]
    """Images of one forward pass."""
    part_rows: Annotated[int, Field(ge=1, le=1_000_000)]
    """Rows of a part file, rounded up to whole batches: what a killed job repeats at most."""
    max_reject_fraction: Annotated[float, Field(ge=0, le=1)]
    """Share of a shard's images that may be undecodable before the shard fails."""
    max_pixels: Annotated[int, Field(ge=1)]
    """Pixels (width x height) over which an image is rejected unread."""
    decode_threads: Annotated[int, Field(ge=0, le=1024)]
    """Threads that decode images; 0: one a core."""


@dataclass(frozen=True, config=STRICT)
class BuildConfig:
    """``python -m clipvec.index``."""

    model: NameConfig
    dataset: NameConfig
    sharding: ShardingConfig
    store: StoreConfig
    index: IndexConfig
    hnsw: HnswConfig
    cloud: CloudConfig
    launcher: LauncherConfig
    tracking: TrackingConfig
    partition: int | str | list[int | str] | None
    """Shards of a collection of its own, as in ``shards``; null: one collection of all."""
    allow_partial: bool
    """Index the shards that are committed although others are missing."""
    rebuild: bool
    """Build anew beside the old index, verify, and take its place."""
    batch_rows: Annotated[int, Field(ge=1)]
    """Rows of one request to Chroma, at most what the server allows."""

    @property
    def extras(self) -> tuple[str, ...]:
        """A tracked run draws a map of the images."""
        return () if self.tracking.mode == "disabled" else ("dashboard",)


@dataclass(frozen=True, config=STRICT)
class SearchConfig:
    """``python -m clipvec.search``."""

    index: IndexConfig
    collection: str | None
    """Collection to search; null: the only one there is."""
    model: QueryModelConfig
    """Encoder of the query."""


@dataclass(frozen=True, config=STRICT)
class RecallConfig:
    """``python -m clipvec.recall``."""

    extras: ClassVar = ("recall",)
    model: MeasuredModelConfig
    dataset: MeasuredDatasetConfig
    sharding: ShardingConfig
    store: StoreConfig
    index: IndexConfig
    contestants: Contestants
    measure: MeasureConfig
    queries: QueriesConfig
    cloud: CloudConfig
    launcher: LauncherConfig
    tracking: TrackingConfig
    target_recall: Annotated[float, Field(gt=0, le=1)]
    """Least recall@k (k: ``measure.k``) of the setting that is advised."""
    apply: bool
    """Give the live collection the ef_search that is advised for Chroma."""
    report: str
    """Folder of the report."""
    work: str
    """Folder of what later runs take over: results of contestants, logs."""


@dataclass(frozen=True, config=STRICT)
class ServeConfig:
    """``bentoml serve``."""

    extras: ClassVar = ("serve",)
    index: IndexConfig
    collection: str | None
    """Collection to serve; null: the only one there is."""
    workers: Annotated[int, Field(ge=1, le=256)]
    """Processes; each loads a model of its own."""
    max_batch: Annotated[int, Field(ge=1, le=4096)]
    """Texts or images of one forward pass."""
    max_requests: Annotated[int, Field(ge=1)]
    """Requests at once in a process, without the page's own files; beyond it is 429."""
    max_rate: Annotated[int, Field(ge=1)] | None
    """Queries a minute of one address in a process, beyond which it gets 429; null: any number."""
    max_upload: Annotated[int, Field(ge=1024)]
    """Bytes of a request's body."""
    max_pixels: Annotated[int, Field(ge=1)]
    """Pixels (width x height) over which an image is refused unread, and twice which the images of
    a request may have together."""
    model: QueryModelConfig
    """Encoder of the queries."""


@dataclass(frozen=True, config=STRICT)
class ServiceConfig:
    """A service of SkyServe: equal machines behind one load balancer."""

    name: Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$", max_length=40)]
    """What SkyServe calls it."""
    host: str
    """Address that a replica listens on, which the load balancer has to reach."""
    port: Port
    """Port that a replica listens on."""
    min_replicas: Annotated[int, Field(ge=0)]
    """Machines at least; 0: none until the first request."""
    max_replicas: Annotated[int, Field(ge=1)]
    """Machines at most."""
    target_qps_per_replica: Annotated[float, Field(gt=0)]
    """Requests a second that a replica is given before there are more of them."""
    upscale_delay_seconds: Annotated[int, Field(ge=0)]
    """Seconds of too many requests before a replica is added."""
    downscale_delay_seconds: Annotated[int, Field(ge=0)]
    """Seconds of too few requests before a replica is taken away."""
    spot: bool
    """Spot machines, on clouds whose group offers them; one that is gone is replaced on demand
    until there is another."""
    ondemand_replicas: Annotated[int, Field(ge=0)]
    """Replicas that are never spot machines."""
    initial_delay_seconds: Annotated[int, Field(ge=1)]
    """Seconds after the start of a machine until /readyz has to answer."""
    probe_timeout_seconds: Annotated[int, Field(ge=1)]
    """Seconds that an answer of /readyz may take."""


@dataclass(frozen=True, config=STRICT)
class DeployConfig:
    """``python -m clipvec.deploy``."""

    service: ServiceConfig
    cloud: CloudConfig
    extras: list[str]
    """Extras of clipvec that replicas need besides ``serve`` and what CLIPVEC_SERVE asks for."""
    action: Literal["up", "status", "down"]
    """What to do; given without ``action=``."""
    dry_run: bool
    """Print the YAML that `sky serve up` takes, and start nothing."""


@dataclass(frozen=True, config=STRICT)
class DashboardConfig:
    """``python -m clipvec.dashboard``."""

    model: NameConfig
    dataset: NameConfig
    store: StoreConfig
    tracking: TrackingConfig
    local: bool
    """Write one HTML page from the store and the runs beside it."""
    sweep: str | None
    """The sweep to show; null: the latest."""
    page: str
    """The page to write."""
    dry_run: bool
    """Print what would be made in wandb, and ask it for nothing."""


SCHEMAS: dict[str, type] = {
    "dashboard": DashboardConfig,
    "deploy": DeployConfig,
    "embed": EmbedConfig,
    "index": BuildConfig,
    "recall": RecallConfig,
    "search": SearchConfig,
    "serve": ServeConfig,
}
"""What the configuration of each command, ``conf/<name>.yaml``, has to fit."""

COMMANDS = {
    f"clipvec.{name}": schema
    for name, schema in SCHEMAS.items()
    if "launcher" in schema.__annotations__
}
"""The commands that can be swept, and what their configuration has to fit."""
