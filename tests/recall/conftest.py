"""A small store with its collection, queries and ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from clipvec import config
from clipvec.config import ChromaConfig, IndexConfig, MeasureConfig, Systems
from clipvec.index.build import build_index
from clipvec.recall import queries
from clipvec.recall.ground_truth import ground_truth
from clipvec.recall.queries import QuerySource
from clipvec.recall.results import Kind, SearchSetting, SystemResult
from clipvec.recall.runner import Runner
from clipvec.recall.workload import QuerySet
from clipvec.store.rows import Rows
from tests.index.conftest import build_config
from tests.stores import make_store

ROWS, DIM = 2000, 32
FLAT = {"kind": "faiss", "factory": "Flat"}


@dataclass(frozen=True)
class Ground:
    """The data that systems are measured on."""

    store: str
    index: IndexConfig
    query_sets: dict[Kind, QuerySet]
    collection: str = "toys--toy"

    @property
    def rows(self) -> Rows:
        return Rows.open(self.store)

    @property
    def matrix(self) -> np.ndarray:
        return np.concatenate([vectors for _, vectors in self.rows.chunks()])

    def runner(self, work_dir: Path, measure: dict[str, object] | None = None) -> Runner:
        options = measure_config(**(measure or {}))
        return Runner(self.rows, self.query_sets, self.index, self.collection, options, work_dir)


def measure_config(**changes: object) -> MeasureConfig:
    values = {
        "recall_at": [1, 10],
        "k": 10,
        "batch_size": 8,
        "concurrency": 2,
        "threads": 1,
        "time_budget_s": 0.5,
        "selectivities": [],
        "max_filtered_queries": 40,
        "seed": 0,
    }
    return config.from_dict({**values, **changes}, MeasureConfig)


def systems(**named: dict[str, object]) -> Systems:
    found: Systems = config.from_dict(named, Systems)  # type: ignore[arg-type]
    return found


def measured(
    ground: Ground, work_dir: Path, measure: dict | None = None, **named: dict
) -> list[SystemResult]:
    return list(ground.runner(work_dir, measure).run(systems(**named)))


def recalls(setting: SearchSetting) -> dict[tuple[str, int], float]:
    return {(q.kind, k): i.value for q in setting.recall for k, i in q.recall_at.items()}


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """2,000 rows x 32 in three parts, with 150 image-like and 100 text-like queries."""
    root = tmp_path_factory.mktemp("ground")
    store = make_store(root, {0: [1200, 300], 1: [500]}, dim=DIM)
    index = ChromaConfig(path=str(root / "index"))
    build_index(build_config(root, index, batch_rows=1000))
    rows = Rows.open(store.url)
    texts = np.random.default_rng(5).normal(size=(100, DIM)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    sources: dict[Kind, QuerySource] = {
        "image": QuerySource({"kind": "image"}, lambda: queries.images(rows, 150, 0)),
        "text": QuerySource({}, lambda: QuerySet(texts, np.full(100, -1), "drawn")),
    }
    return Ground(store.url, index, ground_truth(rows, sources, 10))
