"""What a recall benchmark measures: systems under test, queries, and how."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from clipvec.config.fields import STRICT, Efs, Limit, Name, Number, Seed, Values
from clipvec.config.kinds import Kind, Registry
from clipvec.config.models import arch_extras

CODE_ROWS = 10_240


@dataclass(frozen=True, kw_only=True, config=STRICT)
class SystemKind(Kind):
    """What every system under test has; it loads a `clipvec.recall.systems.base.SearchSystem`."""

    live: ClassVar[bool] = False
    """It is the index in use, or a copy of it."""
    sweep: dict[str, Values] = Field(default_factory=dict)
    """Search parameters and their values, multiplied out."""

    def about(self) -> dict[str, Any]:
        """Return what a `clipvec.recall.results.SystemResult` says of it unless it was opened."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, config=STRICT)
class FaissSystemConfig(SystemKind):
    """A FAISS index, inner product."""

    loads = "clipvec.recall.systems.faiss:FaissSystem"
    kind: Literal["faiss"] = "faiss"
    factory: str
    """FAISS factory string; ``{nlist}`` and ``{m}`` are computed from the store, see
    `clipvec.recall.systems.factory`."""
    build: dict[str, Number] = Field(default_factory=dict)
    """FAISS parameters that are set before vectors are added, such as ``efConstruction``."""
    sweep: dict[str, Values] = Field(default_factory=dict)
    """FAISS search parameters and their values, multiplied out: ``nprobe``, ``efSearch``,
    ``k_factor_rf`` (candidates a row of the answer that ``,RFlat`` ranks again), ..."""
    train_rows: Annotated[int, Field(ge=1)] | None = None
    """Rows drawn for the training; null: 40 a list, at least 10,240."""
    code_rows: Annotated[int, Field(ge=256)] = CODE_ROWS
    """Rows of these that product quantisers and OPQ rotations learn from: 40 a centroid."""

    def about(self) -> dict[str, Any]:
        """Return what the result says of it unless it was opened."""
        training = {} if self.train_rows is None else {"train_rows": self.train_rows}
        if self.code_rows != CODE_ROWS:
            training["code_rows"] = self.code_rows
        return {
            "kind": "faiss",
            "factory": self.factory,
            "build_parameters": self.build,
            "training": training,
        }


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ChromaSystemConfig(SystemKind):
    """A copy of the live collection, in a process of its own."""

    loads = "clipvec.recall.systems.chroma:ChromaSystem"
    live = True
    over_http: ClassVar[bool] = False
    kind: Literal["chroma"] = "chroma"
    sweep: dict[Literal["ef_search"], Efs] = Field(default_factory=dict)  # type: ignore[assignment]
    """Values of ``ef_search``; empty: the collection's own."""

    def about(self) -> dict[str, Any]:
        """Return what the result says of it unless it was opened."""
        return {"kind": "chroma", "factory": "HNSW"}


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ChromaHttpSystemConfig(ChromaSystemConfig):
    """The live collection over HTTP, on its own server or a copy on one that is started for it."""

    over_http = True
    kind: Literal["chroma_http"] = "chroma_http"  # type: ignore[assignment]


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DiskSystemConfig(SystemKind):
    """The live FAISS index on disk, in a process of its own."""

    loads = "clipvec.recall.systems.disk:DiskSystem"
    live = True
    kind: Literal["disk"] = "disk"
    sweep: dict[Literal["nprobe", "candidates"], Efs] = Field(  # type: ignore[assignment]
        default_factory=dict
    )
    """Values of ``nprobe`` and ``candidates``; empty: the index's own."""

    def about(self) -> dict[str, Any]:
        """Return what the result says of it unless it was opened."""
        return {"kind": "disk", "factory": "IVF"}


SYSTEMS: Registry[SystemKind] = Registry(
    "clipvec.systems",
    (ChromaSystemConfig, ChromaHttpSystemConfig, DiskSystemConfig, FaissSystemConfig),
)
SystemConfig: TypeAlias = Annotated[SystemKind, SYSTEMS]
Systems: TypeAlias = dict[Name, SystemConfig]
"""The systems to measure, by a name of the user's choice."""


@dataclass(frozen=True, config=STRICT)
class MeasureConfig:
    """How systems are measured."""

    recall_at: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """k of each recall@k."""
    k: Annotated[int, Field(ge=1)]
    """k used for timing and for filtered search."""
    batch_size: Annotated[int, Field(ge=2)]
    """Queries of one call, where they are timed in batches."""
    concurrency: Annotated[int, Field(ge=2, le=1024)]
    """Clients at the same time, where concurrent queries are timed."""
    threads: Annotated[int, Field(ge=0, le=1024)]
    """Threads of FAISS, in a build and in a call; 0: one per core. Concurrent clients get one."""
    time_budget_s: Annotated[float, Field(gt=0)]
    """Seconds for all timings together, split evenly; builds and recall come on top."""
    selectivities: list[Annotated[float, Field(gt=0, lt=1)]]
    """Shares of the rows that filters should admit; empty: no filtered search. A filter that would
    admit k rows or fewer is left out."""
    max_filtered_queries: Annotated[int, Field(ge=1)]
    """Queries of each kind under a filter, at most."""
    seed: Seed
    """Of the training sample, the filters and the bootstrap."""


@dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class StoreIdentity:
    """The dataset of the store to measure: its name, and what the store must have been made with.

    The store knows the rest; nothing is read from the dataset itself.
    """

    name: Name
    """Folder of the store."""
    limit: Limit = None
    """The ``dataset.limit`` of the store; null: not compared."""
    rows: int | None = None
    """Number of vectors of a synthetic dataset; null: not compared."""
    dim: int | None = None
    """Length of the vectors of a synthetic dataset; null: not compared."""
    clusters: int | None = None
    """Number of clusters of a synthetic dataset; null: not compared."""
    seed: int | None = None
    """Seed of a synthetic dataset; null: not compared."""

    def given(self) -> dict[str, int]:
        """Return what the store has to agree with."""
        return {k: v for k, v in asdict(self).items() if k != "name" and v is not None}


@dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class MeasuredModelConfig:
    """The model of the store to measure, which knows the rest of it."""

    name: Name
    """Folder of the store."""
    arch: str = ""
    """open_clip architecture: which packages the jobs of a sweep need."""

    @property
    def extras(self) -> tuple[str, ...]:
        """Extras of clipvec that the encoder of text queries needs."""
        return arch_extras(self.arch)


@dataclass(frozen=True, config=STRICT)
class QueriesConfig:
    """Queries; as many as the store has, where it has fewer."""

    images: Annotated[int, Field(ge=0)]
    """Rows of the store, held out of their own answers, at most; 0: no image queries."""
    texts: Annotated[int, Field(ge=0)]
    """Captions of the store, or lines of ``text_file``, at most; 0: no text queries."""
    text_file: str | None
    """Text file with a query on each line; null: captions."""
    seed: Seed
    """Of the drawing."""
