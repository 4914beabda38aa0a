"""Exact neighbours of a store, kept beside it."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clipvec.errors import ConfigError, StoreError
from clipvec.recall import queries
from clipvec.recall.ground_truth import depth, ground_truth
from clipvec.recall.queries import QuerySource
from clipvec.recall.results import Kind
from clipvec.recall.workload import QuerySet
from clipvec.store import Store
from clipvec.store.folder import Folder
from clipvec.store.rows import Rows
from tests.stores import StoreFactory, write_shard


@pytest.fixture
def store(tmp_path: Path, store_factory: StoreFactory) -> Store:
    return store_factory(tmp_path, {0: [20, 5], 2: [30]}, count=3)


def texts() -> QuerySet:
    vectors = np.random.default_rng(5).standard_normal((6, 16)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return QuerySet(unit, np.full(6, -1), "drawn")


def never() -> QuerySet:
    raise AssertionError("drawn again")


def text(draw: Callable[[], QuerySet] = texts, seed: int = 0) -> dict[Kind, QuerySource]:
    return {"text": QuerySource({"kind": "text", "seed": seed}, draw)}


def image(rows: Rows, count: int) -> dict[Kind, QuerySource]:
    about = {"kind": "image", "count": count}
    return {"image": QuerySource(about, lambda: queries.images(rows, count, 0))}


def test_neighbours_match_numpy(store: Store) -> None:
    rows = Rows.open(store.url)
    everything = rows.vectors(np.arange(len(rows)))
    found = ground_truth(rows, text() | image(rows, 8), 10)
    assert list(found) == ["text", "image"]
    for asked in found.values():
        scores = asked.vectors @ everything.T
        scores[asked.self_row[:, None] == np.arange(len(rows))] = -np.inf
        best = np.argsort(-scores, axis=1)[:, :38]
        np.testing.assert_array_equal(asked.rows, best)
        exact = np.take_along_axis(scores, best, axis=1)
        np.testing.assert_allclose(asked.scores, exact, atol=1e-6)
    assert (found["text"].self_row == -1).all()
    assert (found["image"].self_row >= 0).all()


def test_found_once_for_each_state_of_the_store(store: Store) -> None:
    first = ground_truth(Rows.open(store.url), text(), 5)["text"]
    again = ground_truth(Rows.open(store.url), text(never), 5)["text"]
    assert again.to_bytes() == first.to_bytes()
    for other, k in ((text(never, seed=1), 5), (text(never), 6)):
        with pytest.raises(AssertionError, match="drawn again"):
            ground_truth(Rows.open(store.url), other, k)
    write_shard(store, 1, [4])
    with pytest.raises(AssertionError, match="drawn again"):
        ground_truth(Rows.open(store.url), text(never), 5)


def test_the_options_of_one_kind_are_not_those_of_the_other(store: Store) -> None:
    rows = Rows.open(store.url)
    both = ground_truth(rows, text() | image(rows, 8), 5)
    other = ground_truth(rows, text(never) | image(rows, 7), 5)
    assert len(other["image"]) == 7
    assert other["text"].to_bytes() == both["text"].to_bytes()
    assert list(ground_truth(rows, text(never), 5)) == ["text"]


def test_queries_of_another_format_are_not_found(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground_truth(Rows.open(store.url), text(), 5)
    monkeypatch.setattr("clipvec.recall.ground_truth._FORMAT", 1)
    with pytest.raises(AssertionError, match="drawn again"):
        ground_truth(Rows.open(store.url), text(never), 5)


def test_a_lost_file_is_recreated(store: Store) -> None:
    ground_truth(Rows.open(store.url), text(), 5)
    (kept,) = Path(store.url).glob("ground_truth/*.npz")
    before = kept.read_bytes()
    kept.unlink()
    ground_truth(Rows.open(store.url), text(), 5)
    assert kept.read_bytes() == before


def test_more_neighbours_than_rows(store: Store) -> None:
    rows = Rows.open(store.url)
    with pytest.raises(ConfigError, match=r"k=55: .* has 55 rows, .* has 54 neighbours; choose"):
        ground_truth(rows, text(never) | image(rows, 8), 55)
    with pytest.raises(ConfigError, match=r"k=56: .* has 55 rows; choose a smaller measure.rec"):
        ground_truth(rows, text(never), 56)
    assert ground_truth(rows, text(), 55)["text"].rows.shape == (6, 55)


def test_the_ground_truth_is_a_little_deeper_than_k() -> None:
    assert depth(100, 2000) == 128
    assert depth(10, 19) == 19
    assert depth(20, 19) == 20  # which is refused


PROGRAM = """
import sys
import numpy as np
from clipvec.machine import peak_bytes
from clipvec.recall.ground_truth import ground_truth
from clipvec.recall.queries import QuerySource
from clipvec.recall.workload import QuerySet
from clipvec.store import Rows
drawn = np.random.default_rng(0).standard_normal((200, 64), np.float32)
texts = QuerySet(drawn, np.full(200, -1), "drawn")
ground_truth(Rows.open(sys.argv[1]), {"text": QuerySource({}, lambda: texts)}, 100)
print(peak_bytes())
"""


def test_memory_does_not_grow_with_the_store(tmp_path: Path, store_factory: StoreFactory) -> None:
    """It would notice 50 MB more of vectors held at once."""
    peaks = []
    for rows in (100_000, 300_000):  # both of several parts, of which the next are read ahead
        parts = [20_000] * (rows // 20_000)
        made = store_factory(tmp_path / str(rows), {0: parts}, dim=64)
        program = [sys.executable, "-c", PROGRAM, made.url]
        done = subprocess.run(program, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    small, large = peaks
    assert large < small + 20e6


def test_a_read_only_store(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(self: Folder, name: str, data: bytes) -> None:
        raise StoreError(f"{name}: permission denied")

    # No real permission refuses root, who runs the tests in CI.
    monkeypatch.setattr(Folder, "write", refuse)
    with caplog.at_level(logging.WARNING):
        found = ground_truth(Rows.open(store.url), text(), 5)
    assert len(found["text"]) == 6
    assert "not kept for the next run: ground_truth/" in caplog.text
