"""Exact neighbours of a store, kept beside it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from clipvec import paths
from clipvec.errors import ConfigError, StoreError
from clipvec.recall import queries
from clipvec.recall.ground_truth import truth
from clipvec.recall.queries import Queries
from clipvec.recall.results import Kind
from clipvec.store import Store
from clipvec.store.folder import Folder
from clipvec.store.rows import Rows
from tests.stores import StoreFactory, write_shard

ASKED: dict[Kind, dict[str, int]] = {"image": {"count": 8, "seed": 0}, "text": {"seed": 0}}


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
    for asked, k in (({**ASKED, "text": {"seed": 1}}, 5), (ASKED, 6)):
        with pytest.raises(AssertionError, match="asked for again"):
            truth(Rows.open(store.url), {"text": never}, asked, k, tmp_path / "two")
    write_shard(store, 1, [4])
    with pytest.raises(AssertionError, match="asked for again"):
        truth(Rows.open(store.url), {"text": never}, ASKED, 5, tmp_path / "two")


def test_the_options_of_one_kind_are_not_those_of_the_other(store: Store, tmp_path: Path) -> None:
    rows = Rows.open(store.url)
    kinds = {"image": lambda: queries.images(rows, 8, 0), "text": texts}
    both = truth(rows, kinds, ASKED, 5, tmp_path / "one")  # type: ignore[arg-type]
    other = {**ASKED, "image": {"count": 7, "seed": 0}}
    kinds = {"image": lambda: queries.images(rows, 7, 0), "text": never}
    folder = truth(rows, kinds, other, 5, tmp_path / "one")  # type: ignore[arg-type]
    assert len(load(paths.queries_file(folder, "image"))["own"]) == 7
    assert (folder / "truth-text.npz").read_bytes() == (both / "truth-text.npz").read_bytes()
    alone = truth(rows, {"text": never}, other, 5, tmp_path / "one")
    assert sorted(file.name for file in alone.iterdir()) == ["queries-text.npz", "truth-text.npz"]


def test_queries_that_were_drawn_in_another_way_are_not_found(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Rows.open(store.url)
    truth(rows, {"text": texts}, ASKED, 5, tmp_path / "one")
    monkeypatch.setattr("clipvec.recall.ground_truth._FORM", 1)
    with pytest.raises(AssertionError, match="asked for again"):
        truth(rows, {"text": never}, ASKED, 5, tmp_path / "two")


def test_a_half_written_truth_is_found_again(store: Store, tmp_path: Path) -> None:
    rows = Rows.open(store.url)
    truth(rows, {"text": texts}, ASKED, 5, tmp_path / "one")
    (kept,) = Path(store.url).glob("truth/*/truth-text.npz")
    before = kept.read_bytes()
    kept.unlink()
    truth(rows, {"text": texts}, ASKED, 5, tmp_path / "two")
    assert kept.read_bytes() == before


def test_more_neighbours_than_there_are(store: Store, tmp_path: Path) -> None:
    rows = Rows.open(store.url)
    with pytest.raises(ConfigError, match=r"k=55: .* has 55 rows, .* has 54 neighbours; choose"):
        truth(rows, {"text": never, "image": never}, ASKED, 55, tmp_path)
    with pytest.raises(ConfigError, match=r"k=56: .* has 55 rows; choose smaller measure.ks"):
        truth(rows, {"text": never}, ASKED, 56, tmp_path)
    folder = truth(rows, {"text": texts}, ASKED, 55, tmp_path)
    assert load(paths.truth_file(folder, "text"))["ids"].shape == (6, 55)


PROGRAM = """
import sys
from pathlib import Path
import numpy as np
from clipvec.recall.queries import Queries
from clipvec.store import Rows
from clipvec.recall.ground_truth import truth
from clipvec.machine import peak_bytes
drawn = np.random.default_rng(0).standard_normal((200, 64), np.float32)
texts = Queries(drawn, np.full(200, -1), "drawn")
truth(Rows.open(sys.argv[1]), {"text": lambda: texts}, {"text": {}}, 100, Path(sys.argv[2]))
print(peak_bytes())
"""


def test_memory_does_not_grow_with_the_store(tmp_path: Path, store_factory: StoreFactory) -> None:
    """Of 128 MB more vectors, held at once, this would tell."""
    peaks = []
    for rows in (20_000, 520_000):
        parts = [20_000] * (rows // 20_000)
        made = store_factory(tmp_path / str(rows), {0: parts}, dim=64)
        program = [sys.executable, "-c", PROGRAM, made.url, str(tmp_path / f"{rows}-work")]
        done = subprocess.run(program, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    small, large = peaks
    assert large < small + 20e6


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
