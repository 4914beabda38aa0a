"""Exact neighbours of a store, kept beside it."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from clipvec import paths
from clipvec.errors import ConfigError, StoreError
from clipvec.exact import queries
from clipvec.exact.queries import Queries
from clipvec.exact.rows import Rows
from clipvec.exact.truth import truth
from clipvec.store import Folder, Store
from tests.stores import StoreFactory, write_shard

ASKED = {"images": 8, "seed": 0}


@pytest.fixture
def store(tmp_path: Path, store_factory: StoreFactory) -> Store:
    return store_factory(tmp_path, {0: [20, 5], 2: [30]}, count=3)


def texts() -> Queries:
    vectors = np.random.default_rng(5).standard_normal((6, 16)).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Queries(unit, np.full(6, -1), "drawn")


def never() -> Queries:
    raise AssertionError("asked for again")


def load(file: Path) -> dict[str, np.ndarray]:
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def test_neighbours_by_id(store: Store, tmp_path: Path) -> None:
    rows = Rows.open(store.url)
    kinds = {"image": lambda: queries.images(rows, 8, 0), "text": texts}
    folder = truth(rows, kinds, ASKED, 10, tmp_path / "work")  # type: ignore[arg-type]
    everything = rows.vectors(np.arange(len(rows)))
    ids = rows.ids(np.arange(len(rows)))
    for kind in ("image", "text"):
        asked, found = load(paths.queries_file(folder, kind)), load(paths.truth_file(folder, kind))
        scores = asked["vectors"] @ everything.T
        scores[asked["own"][:, None] == ids] = -np.inf
        best = np.argsort(-scores, axis=1)[:, :10]
        np.testing.assert_array_equal(found["ids"], ids[best])
        expected = np.take_along_axis(scores, best, axis=1)
        np.testing.assert_allclose(found["scores"], expected, atol=1e-6)
    assert (load(paths.queries_file(folder, "text"))["own"] == "").all()
    assert (load(paths.queries_file(folder, "image"))["own"] != "").all()


def test_found_once_for_each_state_of_the_store(store: Store, tmp_path: Path) -> None:
    first = truth(Rows.open(store.url), {"text": texts}, ASKED, 5, tmp_path / "one")
    again = truth(Rows.open(store.url), {"text": never}, ASKED, 5, tmp_path / "two")
    for name in ("queries-text.npz", "truth-text.npz"):
        assert (again / name).read_bytes() == (first / name).read_bytes()
    for asked, k in (({**ASKED, "seed": 1}, 5), (ASKED, 6)):
        with pytest.raises(AssertionError, match="asked for again"):
            truth(Rows.open(store.url), {"text": never}, asked, k, tmp_path / "two")
    write_shard(store, 1, [4])
    with pytest.raises(AssertionError, match="asked for again"):
        truth(Rows.open(store.url), {"text": never}, ASKED, 5, tmp_path / "two")


def test_a_half_written_truth_is_found_again(store: Store, tmp_path: Path) -> None:
    rows = Rows.open(store.url)
    truth(rows, {"text": texts}, ASKED, 5, tmp_path / "one")
    (kept,) = Path(store.url).glob("truth/*/truth-text.npz")
    before = kept.read_bytes()
    kept.unlink()
    truth(rows, {"text": texts}, ASKED, 5, tmp_path / "two")
    assert kept.read_bytes() == before


def test_more_neighbours_than_there_are(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"k=55: .* has 55 rows, .* has 54 neighbours; choose"):
        truth(Rows.open(store.url), {"text": never}, ASKED, 55, tmp_path)


def test_a_store_that_is_not_ours_to_write(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(self: Folder, name: str, data: bytes) -> None:
        raise StoreError(f"{name}: permission denied")

    # No real permission refuses root, who runs the tests in CI.
    monkeypatch.setattr(Folder, "write", refuse)
    with caplog.at_level(logging.WARNING):
        folder = truth(Rows.open(store.url), {"text": texts}, ASKED, 5, tmp_path)
    assert paths.truth_file(folder, "text").is_file()
    assert "not kept for the next run: truth/" in caplog.text
