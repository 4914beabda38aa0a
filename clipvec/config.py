"""The configuration as frozen dataclasses, one per config group of ``conf/``.

Hydra composes the YAML files and the command line; `read` turns the result into one of the
application configs below and refuses what does not fit, in one line.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from omegaconf import DictConfig

T = TypeVar("T")
_KINDS = {
    *("webdataset", "folder", "parquet", "huggingface", "synthetic"),
    *("chroma", "chroma_http", "faiss"),
}
_NAMED = {"contestants"}
"""Sections that map names, which a user types, to things of several kinds."""

_STRICT = ConfigDict(extra="forbid")
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=64)]
"""Becomes a folder of the store and part of a collection's name."""
Port = Annotated[int, Field(ge=1, le=65535)]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
AttributeType: TypeAlias = Literal["string", "int", "float", "bool"]
AttributeName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]
Attributes: TypeAlias = dict[AttributeName, AttributeType]
Number: TypeAlias = int | float
Values = Annotated[list[Number], Field(min_length=1)]
Efs = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
Limit: TypeAlias = Annotated[int, Field(ge=1)] | None


@dataclass(frozen=True, config=_STRICT)
class ModelConfig:
    """Which encoder, and how it runs."""

    name: Name
    """Folder of the store."""
    arch: str
    """open_clip architecture, or ``sample``."""
    pretrained: str
    """open_clip tag, ``local-dir:<folder>``, or a weights file."""
    device: str = "auto"
    """``auto``, or a torch device such as ``cpu``, ``cuda``, ``cuda:1``, ``mps``."""
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    """``auto`` takes the fastest that the device computes natively."""
    compile: bool = False
    """Compile the image tower with ``torch.compile``: a slow start, then more images/s."""
    runtime: Literal["torch", "onnx"] = "torch"
    """``onnx``: ONNX Runtime on the CPU; starts sooner and takes less memory. The model is
    converted once."""


@dataclass(frozen=True, config=_STRICT)
class QueryModelConfig:
    """The encoder of queries; what is null is as the collection says."""

    name: Name | None = None
    arch: str | None = None
    pretrained: str | None = None
    device: str | None = None
    precision: Literal["auto", "fp32", "fp16", "bf16"] | None = None
    compile: bool | None = None
    runtime: Literal["torch", "onnx"] | None = None

    def over(self, made: ModelConfig) -> ModelConfig:
        """Return the encoder that made the collection, with what is given here in its place."""
        return replace(made, **{k: v for k, v in asdict(self).items() if v is not None})


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
class ShardingConfig:
    """How the dataset is cut: part of the store's identity."""

    count: Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=_STRICT)
class StoreConfig:
    """Where the vectors go, and what a row holds."""

    root: str
    """Folder, or URL that fsspec opens (``s3://``, ``gs://``)."""
    dtype: Literal["float16", "float32"] = "float16"
    """Type of the stored embeddings."""
    thumbnail: Annotated[int, Field(ge=0, le=1024)] = 256
    """Longest side of the stored JPEG thumbnail in pixels; 0: none."""


@dataclass(frozen=True, config=_STRICT)
class HnswConfig:
    """Chroma's HNSW graph (arXiv 1603.09320)."""

    max_neighbors: Annotated[int, Field(ge=2, le=1024)]
    """M: links of a node; more is better recall and more memory. Fixed once built."""
    ef_construction: Annotated[int, Field(ge=1)]
    """Candidates examined when a row is added. Fixed once built."""
    ef_search: Annotated[int, Field(ge=1)]
    """Candidates examined by a query."""


@dataclass(frozen=True, config=_STRICT)
class EmbeddedIndexConfig:
    """A Chroma database in a folder."""

    kind: Literal["chroma"]
    path: str


@dataclass(frozen=True, config=_STRICT)
class HttpIndexConfig:
    """A Chroma server; its token, if it wants one, is CHROMA_TOKEN in the environment."""

    kind: Literal["chroma_http"]
    host: str
    port: Port
    ssl: bool = False


IndexConfig = Annotated[EmbeddedIndexConfig | HttpIndexConfig, Field(discriminator="kind")]


@dataclass(frozen=True, config=_STRICT)
class CloudConfig:
    """Where jobs run, in SkyPilot's own words."""

    name: Name
    resources: dict[str, Any] = Field(default_factory=dict)
    """SkyPilot's ``resources:``, passed on as it is."""
    setup: str = ""
    """Shell lines that run on a new machine before clipvec is installed on it."""
    file_mounts: dict[str, Any] = Field(default_factory=dict)
    """SkyPilot's ``file_mounts:``, such as ``{/store: s3://bucket}``."""
    secrets: list[EnvironmentName] = Field(default_factory=list)
    """Environment variables that jobs get as SkyPilot secrets, where they are set."""


@dataclass(frozen=True, config=_STRICT)
class LauncherConfig:
    """Who starts the jobs of a sweep."""

    name: Literal["local", "sky", "workers"]
    wait: bool = True
    """Stay until all jobs have ended, and show how they get on."""
    dry_run: bool = False
    """Show what would be started, and start nothing."""
    force: bool = False
    """Start shards too that are committed, or that another job works on."""
    pool: str | None = None
    """SkyPilot pool to send jobs to; null: a machine for each job."""
    workers: Annotated[int, Field(ge=0, le=1024)] = 0
    """Processes of ``launcher=workers``; 0: one a GPU, or one where there is none."""


@dataclass(frozen=True, config=_STRICT)
class TrackingConfig:
    """Runs in Weights & Biases, in its own words."""

    mode: Literal["disabled", "offline", "online"]
    """``offline``: files beside the store, for ``wandb beta sync``; ``online``: uploaded too."""
    project: Annotated[str, Field(pattern=r"^[^/\\#?%:]+$", max_length=128)] = "clipvec"
    entity: str | None = None
    """User or team; null: wandb's default for the one who uploads."""
    group: str | None = None
    """What the run belongs to; null: its sweep, if it is a job of one."""
    tags: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(default_factory=list)
    every: Annotated[float, Field(gt=0)] = 10.0
    """Least seconds between two points of a curve."""


@dataclass(frozen=True, config=_STRICT)
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
    workers: Annotated[int, Field(ge=0, le=1024)]
    """Decoding threads; 0: one a core."""


@dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class NameConfig:
    """A dataset or a model of which no more than the name matters: the store knows the rest."""

    name: Name


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
class SearchConfig:
    """``python -m clipvec.search``."""

    index: IndexConfig
    collection: str | None
    """Collection to search; null: the only one there is."""
    model: QueryModelConfig
    """Encoder of the query."""


@dataclass(frozen=True, config=_STRICT)
class FaissContestant:
    """A FAISS index, inner product."""

    kind: Literal["faiss"]
    factory: str
    """FAISS factory string; ``{nlist}`` and ``{m}`` are computed from the store, see
    `clipvec.contest.factory`."""
    build: dict[str, Number] = Field(default_factory=dict)
    """FAISS parameters that are set before vectors are added, such as ``efConstruction``."""
    sweep: dict[str, Values] = Field(default_factory=dict)
    """FAISS search parameters and their values, multiplied out: ``nprobe``, ``efSearch``,
    ``k_factor_rf`` (candidates a row of the answer that ``,RFlat`` ranks again), ..."""
    train_rows: Annotated[int, Field(ge=1)] | None = None
    """Rows drawn for the training; null: 40 a list, at least 10,240."""
    code_rows: Annotated[int, Field(ge=256)] = 10_240
    """Rows of these that product quantisers and OPQ rotations learn from: 40 a centroid."""


@dataclass(frozen=True, config=_STRICT)
class ChromaContestant:
    """The live collection, in this process or over HTTP; it is never changed."""

    kind: Literal["chroma", "chroma_http"]
    sweep: dict[Literal["ef_search"], Efs] = Field(default_factory=dict)
    """Values of ``ef_search``; empty: the collection's own."""


ContestantConfig = Annotated[FaissContestant | ChromaContestant, Field(discriminator="kind")]
Contestants: TypeAlias = dict[Name, ContestantConfig]
"""The indexes to measure, by a name of the user's choice."""


@dataclass(frozen=True, config=_STRICT)
class MeasureConfig:
    """How indexes are measured."""

    ks: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """k of each recall@k."""
    k: Annotated[int, Field(ge=1)]
    """Rows asked for when time is taken, and under a filter."""
    batch: Annotated[int, Field(ge=2)]
    """Queries of one call of mode ``batch``."""
    clients: Annotated[int, Field(ge=2, le=1024)]
    """Concurrent callers of mode ``clients``."""
    threads: Annotated[int, Field(ge=0, le=1024)]
    """Threads of FAISS, in the build and in a call; 0: one a core. A client has one."""
    seconds: Annotated[float, Field(gt=0)]
    """Time for all timings together, split evenly; builds and recall take theirs besides."""
    selectivities: list[Annotated[float, Field(gt=0, lt=1)]]
    """Shares of the rows that filters should admit; empty: no filtered search."""
    filtered_queries: Annotated[int, Field(ge=1)]
    """Queries of each kind under a filter, at most."""
    seed: int
    """Of the training sample, the filters and the bootstrap."""


@dataclass(frozen=True, config=_STRICT)
class QueriesConfig:
    """What indexes are asked; there are as many as the store has, where it has fewer."""

    images: Annotated[int, Field(ge=0)]
    """Rows of the store, held out of their own answers, at most."""
    texts: Annotated[int, Field(ge=0)]
    """Captions of the store, or lines of ``prompts``, at most; 0: no text queries."""
    prompts: str | None
    """Text file with a query on each line; null: captions."""
    seed: int
    """Of the drawing."""


@dataclass(frozen=True, config=_STRICT)
class RecallConfig:
    """``python -m clipvec.recall``."""

    model: NameConfig
    dataset: NameConfig
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


@dataclass(frozen=True, config=_STRICT)
class ServeConfig:
    """``bentoml serve``."""

    index: IndexConfig
    collection: str | None
    """Collection to serve; null: the only one there is."""
    workers: Annotated[int, Field(ge=1, le=256)]
    """Processes; each loads a model of its own."""
    max_batch: Annotated[int, Field(ge=1, le=4096)]
    """Texts or images of one forward pass."""
    max_requests: Annotated[int, Field(ge=1)]
    """Requests at once in a process; what comes beyond is answered with 429."""
    max_rate: Annotated[int, Field(ge=1)] | None
    """Queries a minute of one address in a process, beyond which it gets 429; null: any number."""
    max_upload: Annotated[int, Field(ge=1024)]
    """Bytes of a request's body."""
    max_pixels: Annotated[int, Field(ge=1)]
    """Pixels (width x height) over which an image is refused unread."""
    model: QueryModelConfig
    """Encoder of the queries."""


@dataclass(frozen=True, config=_STRICT)
class ReplicasConfig:
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
    target_qps: Annotated[float, Field(gt=0)]
    """Requests a second that a replica is given before there are more of them."""
    upscale_delay: Annotated[int, Field(ge=0)]
    """Seconds of too many requests before a replica is added."""
    downscale_delay: Annotated[int, Field(ge=0)]
    """Seconds of too few requests before a replica is taken away."""
    spot: bool
    """Spot machines, on clouds whose group offers them; one that is gone is replaced on demand
    until there is another."""
    ondemand_replicas: Annotated[int, Field(ge=0)]
    """Replicas that are never spot machines."""
    probe_delay: Annotated[int, Field(ge=1)]
    """Seconds after the start of a machine until /readyz has to answer."""
    probe_timeout: Annotated[int, Field(ge=1)]
    """Seconds that an answer of /readyz may take."""


@dataclass(frozen=True, config=_STRICT)
class DeployConfig:
    """``python -m clipvec.deploy``."""

    service: ReplicasConfig
    cloud: CloudConfig
    extras: list[str]
    """Extras of clipvec that replicas need besides ``serve``."""
    action: Literal["up", "status", "down"]
    """What to do; given without ``action=``."""
    dry_run: bool
    """Print the YAML that `sky serve up` takes, and start nothing."""


COMMANDS: dict[str, type] = {
    "clipvec.embed": EmbedConfig,
    "clipvec.index": BuildConfig,
    "clipvec.recall": RecallConfig,
}
"""The commands that can be swept, and what their configuration has to fit."""


def read(cfg: DictConfig, schema: type[T]) -> T:
    """Return the composed configuration as a ``schema``.

    Raises:
        ConfigError: a field is missing, unknown, or has a value that is not allowed.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        values = OmegaConf.to_container(cfg, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"{error.full_key}: {str(error).splitlines()[0]}") from error
    return from_dict(_without_missing(values), schema)


def _without_missing(values: object) -> object:
    """Leave out what is ``???``, which is an error only where the schema wants it."""
    if isinstance(values, dict):
        return {k: _without_missing(v) for k, v in values.items() if v != "???"}
    return values


def from_dict(values: object, schema: type[T]) -> T:
    """Return plain ``values`` (from YAML or JSON) as a ``schema``.

    Raises:
        ConfigError: a field is missing, unknown, or has a value that is not allowed.
    """
    try:
        return TypeAdapter(schema).validate_python(values)
    except ValidationError as error:
        problems = "; ".join(_problem(detail) for detail in error.errors())
        raise ConfigError(problems) from error


def to_dict(section: object) -> dict[str, Any]:
    """Return a config section as plain JSON values."""
    values = TypeAdapter(type(section)).dump_python(section, mode="json")
    return dict(values)


def _problem(detail: Mapping[str, Any]) -> str:
    # pydantic puts the kind by which it chose a section behind it; a user never typed it there
    chosen = 2 if detail["loc"][:1] and detail["loc"][0] in _NAMED else 1
    loc = [str(p) for i, p in enumerate(detail["loc"]) if i != chosen or p not in _KINDS]
    where = ".".join(loc) or "configuration"
    if detail["type"] == "missing":
        return f"{where} is not set; give it as {where}=..."
    if detail["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        return f"{where} is not an option here"
    return f"{where}={detail['input']!r}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def load_env(folder: Path | None = None) -> None:
    """Read ``.env`` of the working folder into the environment; what is set already stays."""
    from dotenv import load_dotenv

    load_dotenv((folder or Path.cwd()) / ".env", override=False)
