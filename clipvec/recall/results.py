"""What a recall benchmark measured: the data of ``report.json``, and its schema.

Report
├── about: hardware, versions, seeds, fingerprint, store
├── SystemResult            one index with its build
│   └── SearchSetting       one combination of its search parameters
│       ├── RecallResult    recall@k of a kind of query, with intervals
│       ├── LatencyResult   QPS and latency at a batch size and a concurrency
│       └── FilteredResult  recall and QPS under a metadata filter
└── Recommendation          the cheapest setting that meets the target
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from clipvec.bootstrap import Interval, Share
from clipvec.web import report_files

Kind: TypeAlias = Literal["image", "text"]
"""Queries that are held-out images of the store, or texts; the latter are the harder ones."""
Parameters: TypeAlias = dict[str, int | float]
"""Parameters by name, such as ``{"efSearch": 64}``."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Rank = Annotated[int, Field(ge=1)]
SCHEMA: Literal[2] = 2
"""Of ``report.json``: raised whenever an older clipvec would misread the file."""
SERVED = frozenset({"chroma", "disk"})
"""Kinds of systems that clipvec serves."""
LEAST_P99_CALLS = 100
"""Calls below which a 99th percentile would be the slowest of them and no more."""

_DOCUMENTED = ConfigDict(use_attribute_docstrings=True)


# JSON knows no numbers as keys, and pydantic does not say what such keys look like.
ByRank = Annotated[
    dict[Rank, Interval], Field(json_schema_extra={"propertyNames": {"pattern": "^[1-9][0-9]*$"}})
]


@dataclass(frozen=True, config=_DOCUMENTED)
class RecallResult:
    """Recall of one kind of query."""

    kind: Kind
    """Kind of query."""
    recall_at: ByRank
    """recall@k by k, averaged over queries."""
    queries: Count
    """Number of the queries."""
    selection: ByRank = Field(default_factory=dict)
    """recall@k of every other query, with the 95 % prediction interval of the held-out queries."""
    validation: ByRank = Field(default_factory=dict)
    """recall@k of the held-out queries."""


@dataclass(frozen=True, config=_DOCUMENTED)
class LatencyResult:
    """How fast queries were answered, over several rounds."""

    kind: Kind
    """Kind of query."""
    batch_size: Rank
    """Queries of one call."""
    concurrency: Rank
    """Callers at the same time."""
    qps: Positive
    """QPS of the median round."""
    qps_low: Positive
    """QPS of the slowest round."""
    qps_high: Positive
    """QPS of the fastest round."""
    calls: Rank
    """Calls of all rounds."""
    p50_ms: Positive
    """Median time of one call, in milliseconds."""
    p95_ms: Positive
    """95th percentile of the time of one call, in milliseconds."""
    p99_ms: Positive | None
    """99th percentile of the time of one call, in milliseconds; null: fewer than 100 calls."""


@dataclass(frozen=True, config=_DOCUMENTED)
class FilteredResult:
    """Search under a metadata filter, one query after the other, in several rounds."""

    kind: Kind
    """Kind of query."""
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
    """QPS of the median round."""
    qps_low: Positive
    """QPS of the slowest round."""
    qps_high: Positive
    """QPS of the fastest round."""


@dataclass(frozen=True, config=_DOCUMENTED)
class SearchSetting:
    """One combination of a system's search parameters, and how it did."""

    parameters: Parameters
    """Search parameters by name; none: as built."""
    recall: list[RecallResult]
    """Recall, by kind of query."""
    latency: list[LatencyResult]
    """Latency, by kind of query, batch size and concurrency."""
    filtered: list[FilteredResult] = Field(default_factory=list)
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

    @property
    def bytes_per_vector(self) -> float | None:
        """Disk space per vector; None where there are no vectors."""
        return self.disk_bytes / self.rows if self.rows else None


@dataclass(frozen=True, config=_DOCUMENTED)
class SystemResult:
    """One system under test: an index, and how it did."""

    name: str
    """As configured."""
    kind: Literal["faiss", "chroma", "disk"]
    """Who searches: FAISS in memory, the Chroma collection, or the FAISS index on disk."""
    factory: str
    """FAISS factory string, or Chroma's HNSW parameters in words."""
    build: Build | None = None
    """What it took to build; null: it is on a server, or was not measured."""
    settings: list[SearchSetting] = Field(default_factory=list)
    """What was measured."""
    skipped: str = ""
    """Why it was not measured; empty: it was."""
    build_parameters: Parameters = Field(default_factory=dict)
    """Of a FAISS index, set before vectors were added, such as ``{"efConstruction": 100}``."""
    training: dict[str, int] = Field(default_factory=dict)
    """``train_rows`` and ``code_rows`` of a FAISS index, where they are not the usual ones."""
    measured: str = ""
    """When, UTC, ISO 8601; earlier than the report where an earlier run's result stands."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Candidate:
    """A setting that may be recommended."""

    system: str
    """Name of the system."""
    parameters: Parameters
    """Search parameters."""
    selection: Interval
    """recall@k of the half of the queries used for selection, with the 95 % prediction interval of
    the other half."""
    validation: Interval
    """recall@k of the other half."""
    qps: Positive
    """QPS of the median round, one query at a time."""
    qps_low: Positive
    """QPS of the slowest round."""
    qps_high: Positive
    """QPS of the fastest round."""


@dataclass(frozen=True, config=_DOCUMENTED)
class Recommendation:
    """What to run in production."""

    target_recall: Share
    """Least recall@k."""
    k: Rank
    """Of recall@k."""
    kind: Kind
    """Kind of query."""
    choice: Candidate | None
    """null: nothing meets the target."""
    nearest: Candidate | None
    """What came nearest, where nothing meets the target."""
    config: str
    """YAML to paste, with a comment on where it goes; empty: nothing meets the target."""
    among: Literal["all", "served"] = "all"
    """All systems, or only those that clipvec serves."""
    num_settings: Count = 0
    """Settings whose recall@k was measured with such queries."""


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
    systems: list[SystemResult]
    """All systems under test, also those that were skipped."""
    recommendations: list[Recommendation]
    """For what clipvec serves, and for each kind of query."""
    rows_digest: str
    """What tells these rows from as many others."""
    schema_version: Literal[2] = SCHEMA
    """Version of this format."""


DATA = report_files.ReportFormat(Report, SCHEMA, "a recall report", "clipvec recall")
"""Its file."""
