"""Queries from rows of a store, from captions, and from lines of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipvec.config import QueriesConfig, SyntheticConfig
from clipvec.data import SyntheticDataset
from clipvec.data.synthetic import texts
from clipvec.errors import ConfigError, FingerprintError
from clipvec.recall import queries
from clipvec.store import Fingerprint, Golden, ModelFingerprint, Store, draw_captions, matrix
from clipvec.store.rows import Numbers, Rows
from tests.stores import StoreFactory, make_store


@pytest.fixture
def store(tmp_path: Path, store_factory: StoreFactory) -> Store:
    """70 rows in five parts of three shards."""
    return store_factory(tmp_path, {0: [10, 5], 1: [20], 3: [30, 5]}, count=4)


@pytest.fixture
def rows(store: Store) -> Rows:
    return Rows.open(store.url)


@pytest.fixture
def all_vectors(store: Store, rows: Rows) -> np.ndarray:
    return np.concatenate([matrix(p) for part in rows.parts for p in store.read(part)])


def test_rows_are_numbered_consecutively(rows: Rows, all_vectors: np.ndarray) -> None:
    assert len(rows) == 70
    assert rows.dim == 16
    chunks = list(rows.chunks())
    assert [first for first, _ in chunks] == [0]
    np.testing.assert_array_equal(chunks[0][1], all_vectors)
    numbers = np.array([0, 9, 10, 34, 35, 69])
    np.testing.assert_array_equal(rows.vectors(numbers), all_vectors[numbers])


def test_rows_are_found_by_their_ids(rows: Rows) -> None:
    ids = [id for _, piece in rows.pieces(["id"]) for id in piece["id"].to_pylist()]
    found = Numbers(rows).find([ids[69], "nobody", ids[0]])
    assert found.tolist() == [69, -1, 0]


def test_a_sample_is_of_different_rows(rows: Rows, all_vectors: np.ndarray) -> None:
    found = rows.sample(50, seed=3)
    at = (found[:, None] == all_vectors).all(axis=2).argmax(axis=1)
    assert (found == all_vectors[at]).all()
    assert len(set(at.tolist())) == 50
    np.testing.assert_array_equal(rows.sample(50, seed=3), found)
    np.testing.assert_array_equal(rows.sample(500, seed=3), all_vectors)


def test_images_are_rows_of_unit_length(rows: Rows, all_vectors: np.ndarray) -> None:
    drawn = queries.images(rows, 30, seed=1)
    assert len(set(drawn.self_row.tolist())) == 30
    unit = all_vectors / np.linalg.norm(all_vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(drawn.vectors, unit[drawn.self_row], atol=1e-6)
    assert (queries.images(rows, 30, seed=1).self_row == drawn.self_row).all()
    assert (queries.images(rows, 30, seed=2).self_row != drawn.self_row).any()


def test_no_more_images_than_the_store_has(rows: Rows) -> None:
    assert sorted(queries.images(rows, 1000, seed=0).self_row.tolist()) == list(range(70))


def test_the_first_images_are_from_all_over_the_store(tmp_path: Path) -> None:
    rows = Rows.open(make_store(tmp_path, {0: [600], 1: [400]}).url)
    own = queries.images(rows, 1000, seed=0).self_row
    assert abs(own[:100].mean() - 500) < 90  # 3 standard errors
    assert (own[:50] >= 600).sum() > 8


def captions_of(rows: Rows) -> list[str]:
    pieces = [piece["caption"].to_pylist() for _, piece in rows.pieces(["caption"])]
    return [caption for piece in pieces for caption in piece if caption]


def test_captions_are_drawn_once_each(rows: Rows) -> None:
    there = captions_of(rows)
    distinct = len(set(there))
    drawn = draw_captions(rows, distinct + 5, seed=0)
    assert sorted(drawn) == sorted(set(there))
    few = draw_captions(rows, 3, seed=0)
    assert few == drawn[:3]
    assert draw_captions(rows, 3, seed=5) != few


def test_no_captions(
    tmp_path: Path, store_factory: StoreFactory, caplog: pytest.LogCaptureFixture
) -> None:
    bare = store_factory(tmp_path / "bare", {0: [1]})  # the first row of a shard has none
    rows = Rows.open(bare.url)
    assert [*queries.sources(QueriesConfig(10, 10, None, 0), rows)] == ["image"]
    assert caplog.messages[0].startswith(f"{bare.url} has no captions: only images are asked for")
    with pytest.raises(ConfigError, match=r"has no captions to use as queries; .*images=1000$"):
        queries.sources(QueriesConfig(0, 10, None, 0), rows)


def test_text_queries_of_a_synthetic_store(tmp_path: Path) -> None:
    config = SyntheticConfig(name="toys", rows=10, dim=8, clusters=4, seed=3)
    dataset = SyntheticDataset(config)
    image, text = dataset.distribution.golden()
    weights = dataset.distribution.digest()
    for name, version in (("same", weights), ("other", "0" * 64)):
        fingerprint = Fingerprint(
            dataset={"name": "toys", **dataset.identity()},
            sharding_count=1,
            attributes=dataset.attributes,
            dtype="float16",
            thumbnail=0,
            model=ModelFingerprint("synthetic", version, {}, 8, Golden(image, text)),
            precision="",
            code="9.9",
        )
        rows = Rows(Store.create(str(tmp_path / name), fingerprint, {}), [])
        if name == "same":
            found = queries.drawn_texts(rows, 5, 1)
            np.testing.assert_array_equal(found.vectors, texts(config, 5, 1))
            assert (found.self_row.tolist(), found.source) == ([-1] * 5, "drawn texts")
        else:
            with pytest.raises(FingerprintError, match=r"was drawn by clipvec 9\.9, from which"):
                queries.drawn_texts(rows, 5, 1)
