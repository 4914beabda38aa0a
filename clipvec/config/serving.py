"""The configuration of what answers queries: search, the service, and its deployment."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from clipvec.config.cloud import CloudConfig
from clipvec.config.fields import STRICT, Port, matching
from clipvec.config.groups import QueriedDatasetConfig
from clipvec.config.indexes import IndexConfig
from clipvec.config.models import QueryModelConfig

API_KEY = "CLIPVEC_API_KEY"
"""Variable of the key that requests to the service need, if it is set."""


class OfCollection:
    """The configuration of what answers queries from one collection."""

    collection: Any
    dataset: Any
    model: Any

    @property
    def wanted(self) -> tuple[str | None, str | None, str | None]:
        """Collection, dataset and model, as `clipvec.index.open_index` takes them."""
        return self.collection, self.dataset.name, self.model.name


@dataclass(frozen=True, config=STRICT)
class SearchConfig(OfCollection):
    """``clipvec search``."""

    index: IndexConfig
    collection: str | None
    """Collection to search, ``<dataset>--<model>``, or an alias; null: of those of ``dataset`` and
    ``model`` the newest in the folder, or the only one on a server."""
    dataset: QueriedDatasetConfig
    """Dataset of the collection."""
    model: QueryModelConfig
    """Encoder of the query."""


@dataclass(frozen=True, config=STRICT)
class ServeConfig(OfCollection):
    """``bentoml serve``."""

    extras: ClassVar = ("serve",)
    index: IndexConfig
    collection: str | None
    """Collection to serve, ``<dataset>--<model>``, or an alias; null: of those of ``dataset`` and
    ``model`` the one that is the newest in the folder at the start, or the only one on a server."""
    dataset: QueriedDatasetConfig
    """Dataset of the collection."""
    beside: str | None
    """Collection of the same images by another model, or an alias: the page has its answers beside
    those of ``collection``, at ``/compare``. It takes the memory of another service; null: none."""
    workers: Annotated[int, Field(ge=1, le=256)]
    """Processes; each loads its own model."""
    max_batch_size: Annotated[int, Field(ge=1, le=4096)]
    """Most texts or images per forward pass."""
    max_concurrency: Annotated[int, Field(ge=1)]
    """Most concurrent requests per process, not counting the page's own files; others get 429."""
    max_queries_per_minute: Annotated[int, Field(ge=1)] | None
    """Most queries per minute of one address in a process, which then gets 429; null: no limit. The
    page asks for a search, and where filters changed, for how many rows they leave: two queries."""
    max_refusals_per_minute: Annotated[int, Field(ge=1)] | None
    """Most requests per minute of one address in a process that may be refused for what they are,
    and a twentieth of them, at least 10, per second; then all of its requests without the API key
    get 429, 2 s late. null: no limit."""
    max_connections_per_address: Annotated[int, Field(ge=1)]
    """Most open connections from one address in a process; others get 503. Behind a load balancer
    all come from its address."""
    allowed_hosts: list[str]
    """Names by which the service may be asked for besides localhost, this machine's name, and
    addresses; ``'*'``: any. With ``CLIPVEC_API_KEY`` set, any."""
    originals: Literal["local", "all", "nobody"]
    """Who may open the file of a row, with its size and its EXIF data: local (who asks from this
    machine and through no proxy), all (whoever may search), or nobody; others see thumbnails."""
    max_body_bytes: Annotated[int, Field(ge=1024)]
    """Most bytes of a request's body; a longer one gets 413."""
    max_pixels: Annotated[int, Field(ge=1)]
    """Most pixels (width x height) of an image; a larger one is refused unread, as a guard against
    decompression bombs. All images of a request may have twice as many together."""
    max_decode_seconds: Annotated[int, Field(ge=1)]
    """Most processor time for an image that is large or of many pieces; one that takes longer is
    refused."""
    model: QueryModelConfig
    """Encoder of the queries."""


@dataclass(frozen=True, config=STRICT)
class ServiceConfig:
    """A service of SkyServe: equal machines behind one load balancer."""

    name: Annotated[
        str,
        matching(
            r"^[a-z]([a-z0-9-]*[a-z0-9])?$",
            "small letters, digits and -, with a letter in front and no - at the end",
            40,
        ),
    ]
    """Name of the service in SkyServe."""
    host: str
    """Address that a replica listens on; the load balancer connects from another machine."""
    port: Port
    """Port that a replica listens on."""
    min_replicas: Annotated[int, Field(ge=0)]
    """Fewest machines; 0: none until the first request."""
    max_replicas: Annotated[int, Field(ge=1)]
    """Most machines."""
    target_qps_per_replica: Annotated[float, Field(gt=0)]
    """Requests per second per replica above which replicas are added."""
    upscale_delay_seconds: Annotated[int, Field(ge=0)]
    """Seconds of too many requests before a replica is added."""
    downscale_delay_seconds: Annotated[int, Field(ge=0)]
    """Seconds of too few requests before a replica is removed."""
    spot: bool
    """Use spot machines where the cloud's group offers them; one that is lost is replaced on demand
    until another spot machine is up."""
    ondemand_replicas: Annotated[int, Field(ge=0)]
    """Replicas that are never spot machines."""
    initial_delay_seconds: Annotated[int, Field(ge=1)]
    """Seconds from the start of a machine until /readyz must answer."""
    probe_timeout_seconds: Annotated[int, Field(ge=1)]
    """Seconds that an answer of /readyz may take."""


@dataclass(frozen=True, config=STRICT)
class DeployConfig:
    """``clipvec deploy``."""

    service: ServiceConfig
    cloud: CloudConfig
    extras: list[str]
    """Extras of clipvec that replicas need besides ``serve`` and those that CLIPVEC_SERVE implies,
    such as ``s3`` for thumbnails from a store there."""
    action: Literal["up", "status", "down"]
    """What to do; given as ``up``, ``status`` or ``down`` alone."""
    dry_run: bool
    """Print the YAML that `sky serve up` takes, and start nothing."""
