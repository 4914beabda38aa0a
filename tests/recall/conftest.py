"""A small store with its collection, queries and exact neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from clipvec import config
from clipvec.config import Contestants, EmbeddedIndexConfig, MeasureConfig
from clipvec.index.build import build_index
from clipvec.recall import queries
from clipvec.recall.ground_truth import truth
from clipvec.recall.queries import Queries
from clipvec.recall.results import Kind
from clipvec.store.rows import Rows
from tests.index.conftest import build_config
from tests.stores import make_store

ROWS, DIM = 2000, 32


@dataclass(frozen=True)
class Ground:
    """What a contest takes place on."""

    store: str
    index: EmbeddedIndexConfig
    truth: Path
    collection: str = "toys--toy"

    @property
    def rows(self) -> Rows:
        return Rows.open(self.store)

    @property
    def matrix(self) -> np.ndarray:
        return np.concatenate([vectors for _, vectors in self.rows.chunks()])


def measure_config(**changes: object) -> MeasureConfig:
    values = {
        "ks": [1, 10],
        "k": 10,
        "batch": 8,
        "clients": 2,
        "threads": 1,
        "seconds": 0.5,
        "selectivities": [],
        "filtered_queries": 40,
        "seed": 0,
    }
    return config.from_dict({**values, **changes}, MeasureConfig)


def contestants(**named: dict[str, object]) -> Contestants:
    found: Contestants = config.from_dict(named, Contestants)  # type: ignore[arg-type]
    return found


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    """2,000 rows x 32 in three parts, with 150 image-like and 100 text-like queries."""
    root = tmp_path_factory.mktemp("ground")
    store = make_store(root, {0: [1200, 300], 1: [500]}, dim=DIM)
    index = EmbeddedIndexConfig(kind="chroma", path=str(root / "index"))
    build_index(build_config(root, index, batch_rows=1000))
    rows = Rows.open(store.url)
    texts = np.random.default_rng(5).normal(size=(100, DIM)).astype(np.float32)
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    kinds = {
        "image": lambda: queries.images(rows, 150, 0),
        "text": lambda: Queries(texts, np.full(100, -1), "drawn"),
    }
    asked: dict[Kind, dict[str, int]] = {"image": {}, "text": {}}
    return Ground(store.url, index, truth(rows, kinds, asked, 30, root / "work"))
