"""What every system is asked, and the exact answers; rows of the store are known by number."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from clipvec import paths
from clipvec.index import filters as metadata
from clipvec.recall.results import Kind

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class QuerySet:
    """Queries of one kind with their exact nearest neighbours."""

    vectors: np.ndarray
    """float32 [Q, D], unit length."""
    self_row: np.ndarray
    """int64 [Q]: the row that the query is, which is no neighbour of it; -1: none."""
    source: str
    """Where the queries came from, in words."""
    rows: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.int64))
    """int64 [Q, K]: exact neighbours, best first; empty until they are searched for."""
    scores: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    """float32 [Q, K]: their inner products."""

    def __len__(self) -> int:
        return len(self.vectors)

    def head(self, count: int) -> QuerySet:
        """Return the first ``count`` queries."""
        arrays = (self.vectors, self.self_row, self.rows, self.scores)
        vectors, self_row, rows, scores = (array[:count] for array in arrays)
        return QuerySet(vectors, self_row, self.source, rows, scores)

    def request(self, k: int) -> int:
        """Return how many rows to ask for, so that ``k`` are left without the query itself."""
        return k + bool((self.self_row >= 0).any())

    def to_bytes(self) -> bytes:
        """Return the query set as an ``.npz`` file: the same bytes for the same queries."""
        buffer = io.BytesIO()
        np.savez(buffer, **vars(self))
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> QuerySet:
        """Return what `to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            values: dict[str, Any] = dict(file)
        return cls(**{**values, "source": str(values["source"])})


@dataclass(frozen=True)
class Filter:
    """A metadata filter and the query sets under it."""

    condition: metadata.Comparison
    selectivity: float
    """Share of the rows that it admits."""
    bits: np.ndarray
    """uint8: a bit for each row, the lowest first, set where it is admitted."""
    query_sets: dict[Kind, QuerySet] = field(default_factory=dict)


@dataclass(frozen=True)
class Workload:
    """All queries, without and with filters."""

    query_sets: dict[Kind, QuerySet]
    filters: list[Filter]

    def save(self, folder: Path) -> None:
        """Write the workload, for the worker processes."""
        _save(folder, self.query_sets)
        about = []
        for number, one in enumerate(self.filters):
            inner = paths.WorkloadPaths(folder).filter(number)
            _save(inner, one.query_sets)
            np.save(paths.WorkloadPaths(inner).admitted_rows, one.bits)
            about.append(asdict(one.condition) | {"selectivity": one.selectivity})
        paths.WorkloadPaths(folder).filters.write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Workload:
        """Return what `save` wrote."""
        about = json.loads(paths.WorkloadPaths(folder).filters.read_text(encoding="utf-8"))
        inner = [paths.WorkloadPaths(folder).filter(number) for number in range(len(about))]
        filters = [
            Filter(
                selectivity=values.pop("selectivity"),
                condition=metadata.Comparison(**values),
                bits=np.load(paths.WorkloadPaths(place).admitted_rows),
                query_sets=_load(place),
            )
            for values, place in zip(about, inner, strict=True)
        ]
        return cls(_load(folder), filters)


def _save(folder: Path, query_sets: dict[Kind, QuerySet]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind in get_args(Kind):
        file = paths.WorkloadPaths(folder).query_set(kind)
        if kind in query_sets:
            file.write_bytes(query_sets[kind].to_bytes())
        else:
            file.unlink(missing_ok=True)


def _load(folder: Path) -> dict[Kind, QuerySet]:
    files = {kind: paths.WorkloadPaths(folder).query_set(kind) for kind in get_args(Kind)}
    return {k: QuerySet.from_bytes(f.read_bytes()) for k, f in files.items() if f.is_file()}
