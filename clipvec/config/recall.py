"""What a recall benchmark measures: contestants, queries, and how."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from clipvec.config.fields import STRICT, Efs, Limit, Name, Number, Values
from clipvec.config.models import arch_extras

CODE_ROWS = 10_240


@dataclass(frozen=True, config=STRICT)
class FaissContestant:
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
class ChromaContestant:
    """The live collection, in this process or over HTTP; it is never changed."""

    kind: Literal["chroma", "chroma_http"]
    sweep: dict[Literal["ef_search"], Efs] = Field(default_factory=dict)
    """Values of ``ef_search``; empty: the collection's own."""


ContestantConfig = Annotated[FaissContestant | ChromaContestant, Field(discriminator="kind")]
Contestants: TypeAlias = dict[Name, ContestantConfig]
"""The indexes to measure, by a name of the user's choice."""


@dataclass(frozen=True, config=STRICT)
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


@dataclass(frozen=True, config=ConfigDict(extra="ignore"))
class MeasuredDatasetConfig:
    """The dataset of the store to measure: its name, and what the store has to have been made with.

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
    """What indexes are asked; there are as many as the store has, where it has fewer."""

    images: Annotated[int, Field(ge=0)]
    """Rows of the store, held out of their own answers, at most."""
    texts: Annotated[int, Field(ge=0)]
    """Captions of the store, or lines of ``prompts``, at most; 0: no text queries."""
    prompts: str | None
    """Text file with a query on each line; null: captions."""
    seed: int
    """Of the drawing."""
