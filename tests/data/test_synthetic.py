"""Synthetic vectors depend only on seed and row, and are distributed like CLIP's."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clipvec.config import SyntheticConfig
from clipvec.data import SyntheticDataset, open_dataset
from clipvec.data.synthetic import BLOCK, SHAPE, Distribution, texts

CONFIG = SyntheticConfig(name="toys", rows=20_000, dim=128, clusters=4000, seed=7)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return SyntheticDataset(CONFIG).read(range(CONFIG.rows))[0]


def test_opened_by_its_kind() -> None:
    dataset = open_dataset(CONFIG)
    assert isinstance(dataset, SyntheticDataset)
    assert dataset.attributes == {"bucket": "int"}
    assert {k: v for k, v in dataset.identity().items() if k != "digest"} == {
        "kind": "synthetic",
        "rows": 20_000,
        "dim": 128,
        "clusters": 4000,
        "seed": 7,
    }


def test_every_row_is_in_one_shard() -> None:
    dataset = SyntheticDataset(CONFIG)
    rows = [row for shard in range(7) for row in dataset.span(shard, 7)]
    assert rows == list(range(20_000))
    assert [dataset.num_items(shard, 7) for shard in range(7)] == [2857] * 6 + [2858]


def test_a_vector_depends_only_on_its_row(images: np.ndarray) -> None:
    other = SyntheticDataset(replace(CONFIG, rows=9_999_999, name="other"))
    rows = range(BLOCK - 3, 2 * BLOCK + 2)
    vectors, buckets = other.read(rows)
    assert (vectors.dtype, vectors.shape, buckets.shape) == (np.float32, (len(rows), 128), (4101,))
    np.testing.assert_array_equal(vectors, images[rows.start : rows.stop])
    np.testing.assert_array_equal(other.read(range(BLOCK, BLOCK + 1))[0], images[BLOCK : BLOCK + 1])
    far = other.read(range(9_999_998, 9_999_999))[0]
    np.testing.assert_allclose(np.linalg.norm(far, axis=1), 1, atol=1e-6)


def test_another_seed_is_another_space(images: np.ndarray) -> None:
    other = SyntheticDataset(replace(CONFIG, seed=8)).read(range(100))[0]
    assert abs(np.mean(np.sum(other * images[:100], axis=1))) < 0.3
    assert not np.array_equal(texts(CONFIG, 5, 0), texts(CONFIG, 5, 1))
    np.testing.assert_array_equal(texts(CONFIG, 5, 1), texts(replace(CONFIG, rows=1), 5, 1))


def test_the_digest_covers_all_that_the_vectors_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = {
        Distribution(config).digest()
        for config in (CONFIG, *(replace(CONFIG, **{k: 9}) for k in ("seed", "dim", "clusters")))
    }
    assert len(digests) == 4
    assert Distribution(replace(CONFIG, rows=3, name="x")).digest() in digests
    monkeypatch.setitem(SHAPE, "within", 0.1)
    assert Distribution(CONFIG).digest() not in digests


def test_two_cones_and_a_gap(images: np.ndarray) -> None:
    asked = texts(CONFIG, 2000, 0)
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(asked, axis=1), 1, atol=1e-6)
    # arXiv 2203.02053 finds 0.56 and 0.47 within the cones of CLIP, and means 0.82 apart
    assert np.mean(images[:2000] @ images[2000:4000].T) == pytest.approx(0.44, abs=0.05)
    assert np.mean(asked[:1000] @ asked[1000:].T) == pytest.approx(0.38, abs=0.05)
    assert np.linalg.norm(images.mean(0) - asked.mean(0)) == pytest.approx(0.9, abs=0.05)
    assert np.mean(asked @ images[:2000].T) == pytest.approx(0, abs=0.05)


def test_few_directions_carry_the_variance(images: np.ndarray) -> None:
    values = np.linalg.eigvalsh(np.cov(images.T))
    assert 20 < values.sum() ** 2 / np.sum(values**2) < 60  # of 128


def test_buckets_filter_by_thousandths() -> None:
    buckets = SyntheticDataset(CONFIG).read(range(CONFIG.rows))[1]
    assert (buckets.min(), buckets.max()) == (0, 999)
    for below in (10, 100, 500):
        assert np.mean(buckets < below) == pytest.approx(below / 1000, rel=0.15)


def test_texts_are_the_hard_case(images: np.ndarray) -> None:
    import faiss

    held_out = SyntheticDataset(replace(CONFIG, rows=21_000)).read(range(20_000, 20_500))[0]
    index = faiss.IndexHNSWFlat(128, 16, faiss.METRIC_INNER_PRODUCT)
    index.add(images)
    index.hnsw.efSearch = 16
    recalls = []
    for queries in (held_out, texts(CONFIG, 500, 0)):
        right = faiss.knn(queries, images, 10, faiss.METRIC_INNER_PRODUCT)[1]
        found = index.search(queries, 10)[1]
        recalls.append(
            np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(right, found, strict=True)])
        )
    assert recalls[0] > 0.85
    assert 0.6 < recalls[1] < recalls[0] - 0.08


def test_tiny() -> None:
    tiny = SyntheticConfig(name="tiny", rows=3, dim=2, clusters=1, seed=0)
    vectors, _ = SyntheticDataset(tiny).read(range(3))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert texts(tiny, 4, 0).shape == (4, 2)
