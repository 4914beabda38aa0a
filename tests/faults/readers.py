"""What reads an index: the shell, the service and recall, in this process."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clipvec import config
from clipvec.config import ChromaConfig, FaissConfig, ServeConfig
from clipvec.errors import CollectionError
from clipvec.recall import worker
from clipvec.recall.ground_truth import ground_truth
from clipvec.recall.queries import QuerySource, images
from clipvec.search.__main__ import parser
from clipvec.search.run import run_search
from clipvec.service.schema import Options
from clipvec.service.searcher import Searcher
from clipvec.store import ModelFingerprint, Rows
from tests.index.test_build import rows_of
from tests.recall.conftest import Ground, systems

K = 5
INDEXES = {"chroma": ChromaConfig, "faiss": FaissConfig}


def query(dim: int) -> np.ndarray:
    """Return the vector of whatever text, float32 [D]."""
    return np.eye(1, dim, dtype=np.float32)[0]


@contextlib.contextmanager
def without_model() -> Iterator[None]:
    """Let `query` be the vector of each text: the stores' vectors are drawn, no model made them."""

    def drawn(made: ModelFingerprint, *_: object) -> SimpleNamespace:
        def encode_texts(texts: list[str]) -> np.ndarray:
            return np.tile(query(made.dim), (len(texts), 1))

        return SimpleNamespace(encode_texts=encode_texts, preprocess=None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clipvec.search.run.load_checked", drawn)
        patch.setattr("clipvec.model.load_checked", drawn)
        yield


def search(root: Path, *more: str, kind: str = "chroma") -> list[str]:
    """Return the ids that ``clipvec search`` prints."""
    words = ["a", "--json", "-k", str(K), f"index={kind}", f"index.path={root}/index", *more]
    out = io.StringIO()
    with without_model(), contextlib.redirect_stdout(out):
        run_search(parser().parse_intermixed_args(words))
    return [hit["id"] for hit in json.loads(out.getvalue())]


@cache
def _settings() -> ServeConfig:
    found: ServeConfig = config.read_command("serve", [], ServeConfig)
    return found


def serve(root: Path, kind: str = "chroma") -> list[str]:
    """Return the ids that the service answers with."""
    index = INDEXES[kind](f"{root}/index")
    with (
        without_model(),
        contextlib.closing(Searcher.open(replace(_settings(), index=index))) as searcher,
    ):
        vector = query(searcher.collection.dim)
        found = asyncio.run(searcher.search(vector, Options(k=K)))
    return [hit.id for hit, _ in found]


def recall(root: Path, kind: str = "chroma") -> list[str]:
    """Return the right ids if ``clipvec recall`` finds that the index finds the same.

    Raises:
        CollectionError: with the reason why it was not measured.
    """
    rows = Rows.open(f"{root}/store/toys/toy")
    asked: dict[Any, QuerySource] = {
        "image": QuerySource({"kind": "image"}, lambda: images(rows, 5, 0))
    }
    index = INDEXES[kind](f"{root}/index")
    ground = Ground(rows.store.url, index, ground_truth(rows, asked, 10))
    runner = ground.runner(root / "recall", {"time_budget_s": 0.01, "selectivities": []})
    (task,) = runner._tasks(systems(live={"kind": {"chroma": "chroma", "faiss": "disk"}[kind]}))
    runner._save_workload()
    task.scratch.mkdir(parents=True)
    found = worker.measure(task)
    if found.skipped:
        raise CollectionError(found.skipped)
    (setting,) = found.settings
    assert [q.recall_at[10].value for q in setting.recall] == [1.0]
    return nearest(root)


def nearest(root: Path) -> list[str]:
    """Return the ids of the rows of the store that are closest to `query`."""
    vectors = rows_of(Rows.open(f"{root}/store/toys/toy").store)
    matrix = np.stack(list(vectors.values()))
    best = np.argsort(-(matrix @ query(matrix.shape[1])))[:K]
    return [list(vectors)[i] for i in best]


READERS: dict[str, Callable[..., list[str]]] = {
    "search": search,
    "serve": serve,
    "recall": recall,
}
