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
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Rank = Annotated[int, Field(ge=1)]
LEAST_P99_CALLS = 100
"""Calls below which a 99th percentile would be the slowest of them and no more."""

_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)


@dataclass(frozen=True, config=_DOCUMENTED)
class Interval:
    """A mean recall with its 95 % interval."""

    value: Share
    """The mean over queries."""
    low: Share
    """Lower end of the interval."""
    high: Share
    """Upper end of the interval."""


# JSON knows no numbers as keys, and pydantic does not say what such keys look like.
ByRank = Annotated[
    dict[Rank, Interval], Field(json_schema_extra={"propertyNames": {"pattern": "^[1-9][0-9]*$"}})
]


@dataclass(frozen=True, config=_DOCUMENTED)
class Quality:
    """Recall of one kind of query."""

    kind: Kind
    """Of the queries."""
    recall: ByRank
    """recall@k by k, averaged over queries."""
    queries: Count
    """Number of the queries."""
    first_half: ByRank = Field(default_factory=dict)
    """recall@k of every other query, with the interval in which that of the rest is expected."""
    second_half: ByRank = Field(default_factory=dict)
    """recall@k of the rest."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Speed:
    """How fast queries were answered, in several rounds."""

    kind: Kind
    """Of the queries."""
    mode: Mode
    """How they were asked."""
    width: Rank
    """Queries of a batch, or concurrent clients; 1 for single queries."""
    qps: Positive
    """Queries a second of the median round."""
    qps_low: Positive
    """Queries a second of the slowest round."""
    qps_high: Positive
    """Queries a second of the fastest round."""
    calls: Rank
    """Calls of all rounds."""
    p50_ms: Positive
    """Median time of one call, in milliseconds."""
    p95_ms: Positive
    """95th percentile of the time of one call, in milliseconds."""
    p99_ms: Positive | None
    """99th percentile of the time of one call, in milliseconds; null: fewer than 100 calls."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Filtered:
    """Search under a metadata filter, one query after the other, in several rounds."""

    kind: Kind
    """Of the queries."""
    filter: str
    """What it admits, such as ``stars < 3``."""
    selectivity: Share
    """Share of the rows that the filter admits."""
    k: Rank
    """Of recall@k."""
    queries: Rank
    """Number of the queries that the recall is of."""
    recall: Interval
    """recall@k among the rows that the filter admits."""
    qps: Positive
    """Queries a second of the median round."""
    qps_low: Positive
    """Queries a second of the slowest round."""
    qps_high: Positive
    """Queries a second of the fastest round."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Setting:
    """One value of a contestant's search parameters, and how it did."""

    parameters: Parameters
    """Search parameters by name; none: as built."""
    quality: list[Quality]
    """Recall, by kind of query."""
    speed: list[Speed]
    """Speed, by kind of query and way of asking."""
    filtered: list[Filtered] = Field(default_factory=list)
    """Filtered search, by filter and kind of query."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Build:
    """What it took to build an index."""

    rows: Count
    """Vectors of the index."""
    seconds: Positive | None
    """Time to train and to add all rows; null: not known."""
    peak_bytes: Count | None
    """Most memory of the building process; null: not known."""
    disk_bytes: Count
    """Of the index on disk."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Contestant:
    """One index."""

    name: str
    """As configured."""
    kind: Literal["faiss", "chroma"]
    """Who searches."""
    factory: str
    """FAISS factory string, or Chroma's HNSW parameters in words."""
    build: Build | None = None
    """What it took to build; null: it is on a server, or was not measured."""
    settings: list[Setting] = Field(default_factory=list)
    """What was measured."""
    refused: str = ""
    """Why it was not measured, where it was not."""
    build_parameters: Parameters = Field(default_factory=dict)
    """Of a FAISS index, set before vectors were added, such as ``{"efConstruction": 100}``."""
    training: dict[str, int] = Field(default_factory=dict)
    """``train_rows`` and ``code_rows`` of a FAISS index, where they are not the usual ones."""
    measured: str = ""
    """When, UTC, ISO 8601; earlier than the report where an earlier run's result stands."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Choice:
    """The cheapest setting that met the target, or that came nearest to it."""

    contestant: str
    """Its name."""
    parameters: Parameters
    """Search parameters."""
    chosen: Interval
    """recall@k of the half of the queries that it was chosen on, with the interval in which that
    of the other half is expected."""
    confirmed: Interval
    """recall@k of the other half."""
    qps: Positive
    """Queries a second of the median round, asked one after the other."""
    qps_low: Positive
    """Queries a second of the slowest round."""
    qps_high: Positive
    """Queries a second of the fastest round."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Advice:
    """What to run in production."""

    target_recall: Share
    """Least recall@k."""
    k: Rank
    """Of recall@k."""
    kind: Kind
    """Of the queries."""
    choice: Choice | None
    """null: nothing meets the target."""
    nearest: Choice | None
    """What came nearest, where nothing meets the target."""
    lines: list[str]
    """Configuration to paste, with a comment on where it goes."""
    among: Literal["all", "chroma"] = "all"
    """All contestants, or those alone that clipvec serves."""
    settings: Count = 0
    """Settings whose recall@k was measured with such queries, of which a choice wants two at
    least: one to choose on, one to confirm on."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Report:
    """Everything that a report shows."""

    created: str
    """UTC, ISO 8601."""
    store: str
    """Path or URL of the store."""
    dataset: str
    """Name of the dataset."""
    model: str
    """Name of the model."""
    rows: Count
    """Rows of the store."""
    dim: Count
    """Length of the vectors, D."""
    synthetic: bool
    """Whether the vectors were drawn and not embedded."""
    fingerprint: dict[str, Any]
    """What the store is known by."""
    hardware: dict[str, str]
    """Of the machine that measured."""
    versions: dict[str, str]
    """Of clipvec, Python and packages."""
    seeds: dict[str, int]
    """What was drawn by which seed."""
    queries: dict[Kind, Count]
    """Number of the queries, by kind."""
    query_source: dict[Kind, str]
    """Where the queries of each kind came from, in words."""
    contestants: list[Contestant]
    """All indexes, also those that were not measured."""
    advice: list[Advice]
    """For each kind of query, and for what clipvec serves."""
    schema_version: Literal[1] = 1
    """Of this form."""

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
