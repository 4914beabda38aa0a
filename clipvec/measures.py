"""What a recall benchmark measured: the data of ``report.json``, and its schema.

Report
├── about: hardware, versions, seeds, fingerprint, store
├── Contestant      one index with its build
│   └── Setting     one value of its search parameters
│       ├── Quality   recall@k for a kind of query, with intervals
│       ├── Speed     queries/s and latency for a way of asking
│       └── Filtered  recall and speed under a metadata filter
└── Advice          the cheapest setting that meets the target
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from clipvec.errors import ConfigError

Kind: TypeAlias = Literal["image", "text"]
"""Queries that are held-out images of the store, or texts; the latter are the harder ones."""
Mode: TypeAlias = Literal["single", "batch", "clients"]
"""One query after the other, many in one call, or several callers at once."""
Parameters: TypeAlias = dict[str, int | float]
"""Parameters by name, such as ``{"efSearch": 64}``."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Rank = Annotated[int, Field(ge=1)]

_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True, config=_DOCUMENTED)
class Interval:
    """An estimate with its 95 % interval."""

    value: Finite
    low: Finite
    high: Finite


@dataclass(frozen=True, config=_DOCUMENTED)
class Quality:
    """Recall of one kind of query."""

    kind: Kind
    recall: dict[Rank, Interval]
    """recall@k by k, averaged over queries."""
    queries: Count
    first_half: dict[Rank, Interval] = Field(default_factory=dict)
    """recall@k of every other query, with the interval in which that of the rest is expected."""
    second_half: dict[Rank, Interval] = Field(default_factory=dict)
    """recall@k of the rest."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Speed:
    """How fast queries were answered."""

    kind: Kind
    mode: Mode
    width: Rank
    """Queries of a batch, or concurrent clients; 1 for single queries."""
    qps: Positive
    """Queries a second."""
    p50_ms: Positive
    """Median time of one call, in milliseconds."""
    p95_ms: Positive
    p99_ms: Positive


@dataclass(frozen=True, config=_DOCUMENTED)
class Filtered:
    """Search under a metadata filter."""

    kind: Kind
    selectivity: Share
    """Share of the rows that the filter admits."""
    k: Rank
    recall: Interval
    qps: Positive
    filter: str = ""
    """What it admits, such as ``stars < 3``."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Setting:
    """One value of a contestant's search parameters, and how it did."""

    parameters: Parameters
    quality: list[Quality]
    speed: list[Speed]
    filtered: list[Filtered] = Field(default_factory=list)


@dataclass(frozen=True, config=_DOCUMENTED)
class Build:
    """What it took to build an index, in a process of its own."""

    rows: Count
    seconds: Positive | None
    """None: it was there already."""
    peak_bytes: Count | None
    """Most memory of the building process; None: it was there already."""
    disk_bytes: Count


@dataclass(frozen=True, config=_DOCUMENTED)
class Contestant:
    """One index."""

    name: str
    kind: Literal["faiss", "chroma"]
    factory: str
    """FAISS factory string, or Chroma's HNSW parameters in words."""
    build: Build | None = None
    settings: list[Setting] = Field(default_factory=list)
    refused: str = ""
    """Why it was not measured, where it was not."""
    build_parameters: Parameters = Field(default_factory=dict)
    """Of a FAISS index, set before vectors were added, such as ``{"efConstruction": 100}``."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Choice:
    """The cheapest setting that met the target, or that came nearest to it."""

    contestant: str
    parameters: Parameters
    chosen: Interval
    """recall@k of the half of the queries that it was chosen on, with the interval in which that
    of the other half is expected."""
    confirmed: Interval
    """recall@k of the other half."""
    qps: Positive
    """Queries a second, asked one after the other."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Advice:
    """What to run in production."""

    target_recall: Share
    k: Rank
    kind: Kind
    choice: Choice | None
    """None: nothing meets the target."""
    nearest: Choice | None
    """What came nearest, where nothing meets the target."""
    lines: list[str]
    """Configuration to paste."""
    among: Literal["all", "chroma"] = "all"
    """All contestants, or those alone that clipvec serves."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Report:
    """Everything that a report shows."""

    created: str
    """UTC, ISO 8601."""
    store: str
    dataset: str
    model: str
    rows: Count
    dim: Count
    synthetic: bool
    """Whether the vectors were drawn and not embedded."""
    fingerprint: dict[str, Any]
    hardware: dict[str, str]
    versions: dict[str, str]
    seeds: dict[str, int]
    queries: dict[Kind, Count]
    query_source: dict[Kind, str]
    """Where the queries of each kind came from, in words."""
    contestants: list[Contestant]
    advice: list[Advice]
    schema_version: Literal[1] = 1

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return dict(TypeAdapter(Report).dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, values: object, where: str) -> Report:
        """Return the report that `to_json` wrote.

        Raises:
            ConfigError: ``where`` holds something else.
        """
        try:
            return TypeAdapter(Report).validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise ConfigError(f"{where} is not a recall report: {place}: {first['msg']}") from error


def schema() -> dict[str, Any]:
    """Return the JSON schema of ``report.json``, draft 2020-12."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | TypeAdapter(Report).json_schema()
