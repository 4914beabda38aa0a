"""What a recall benchmark measures: systems under test, queries, and how."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from clipvec.config.fields import STRICT, Efs, Limit, Name, Number, Values
from clipvec.config.models import arch_extras

CODE_ROWS = 10_240


@dataclass(frozen=True, config=STRICT)
class FaissSystemConfig:
    """A FAISS index, inner product."""

    kind: Literal["faiss"]
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

    @property
    def training(self) -> dict[str, int]:
        """What is set of ``train_rows`` and ``code_rows``."""
        rows = {} if self.train_rows is None else {"train_rows": self.train_rows}
        return rows if self.code_rows == CODE_ROWS else rows | {"code_rows": self.code_rows}


@dataclass(frozen=True, config=STRICT)
class ChromaSystemConfig:
    """The live collection, in this process or over HTTP; it is never changed."""

    kind: Literal["chroma", "chroma_http"]
    sweep: dict[Literal["ef_search"], Efs] = Field(default_factory=dict)
    """Values of ``ef_search``; empty: the collection's own."""


SystemConfig = Annotated[FaissSystemConfig | ChromaSystemConfig, Field(discriminator="kind")]
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
    seed: int
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
    seed: int
    """Of the drawing."""
