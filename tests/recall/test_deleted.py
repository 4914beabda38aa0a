"""Deleted rows are neither queries nor answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clipvec.config import ChromaConfig
from clipvec.index.build import build_index
from clipvec.recall.ground_truth import ground_truth
from clipvec.recall.queries import QuerySource, images
from clipvec.recall.worker import measure
from clipvec.store import Rows
from tests.index.conftest import build_config
from tests.recall.conftest import Ground, systems
from tests.stores import delete, make_store

FLAT = {"kind": "faiss", "factory": "Flat"}
LIVE = {"kind": "chroma"}


def test_recall_is_of_the_rows_that_are_left(tmp_path: Path) -> None:
    store = make_store(tmp_path, {0: [200], 1: [100]}, dim=32)
    index = ChromaConfig(str(tmp_path / "index"))
    config = build_config(tmp_path, index)
    build_index(config)
    gone = [f"0/{number}" for number in range(0, 200, 4)]

    def query_sets() -> Ground:
        rows = Rows.open(store.url)
        source = {"image": QuerySource({"kind": "image"}, lambda: images(rows, 40, 0))}
        return Ground(store.url, index, ground_truth(rows, source, 10))

    before = query_sets()
    (task,) = before.runner(tmp_path / "work")._tasks(systems(flat=FLAT))
    delete(store, *gone)
    after = query_sets()
    assert len(after.rows) == 250
    neighbours = after.query_sets["image"].rows
    assert neighbours.max() < 250
    assert not set(after.rows.ids(np.unique(neighbours))) & set(gone)

    stale = measure(task)
    assert stale.skipped == (
        f"rows of {store.url} were added or deleted while it was measured; run the same command "
        "again"
    )
    flat, live = after.runner(tmp_path / "work").run(systems(flat=FLAT, live=LIVE))
    assert flat.settings[0].recall[0].recall_at[10].value == 1
    assert "has 300 rows, the store" in (live.skipped or "")
    assert (live.skipped or "").endswith("bring it up to date with clipvec index")
    build_index(config)
    (live,) = after.runner(tmp_path / "work").run(systems(live=LIVE))
    assert live.settings[0].recall[0].recall_at[10].value > 0.95
