"""Similar images are close, from a bounded sample."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clipvec import projection
from clipvec.projection import plane
from clipvec.store import Store
from tests.stores import StoreFactory, row


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory, store_factory: StoreFactory) -> Store:
    """A store with rows of three alternating kinds, in two shards."""
    store = store_factory(tmp_path_factory.mktemp("groups"), {}, count=2)
    random = np.random.default_rng(0)
    kinds = random.normal(size=(3, 16))
    for shard in range(2):
        vectors = kinds[np.arange(90) % 3] + random.normal(scale=0.1, size=(90, 16))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        writer = store.writer(shard)
        writer.write_part([row(shard, n) for n in range(90)], vectors.astype(np.float32), 90)
        writer.commit({})
    return store


def test_similar_images_are_close(groups: Store) -> None:
    made = projection.project(groups)
    assert made is not None
    assert made.points.shape == (180, 2)
    assert (made.points.min(axis=0) == 0).all()
    assert (made.points.max(axis=0) == 1).all()
    kinds = np.array([int(id.split("/")[1]) % 3 for id in made.ids])
    apart = np.linalg.norm(made.points[:, None] - made.points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (kinds[apart.argmin(axis=1)] == kinds).all()
    assert made.rows == 180
    assert set(made.captions) >= {"", "toy <1>"}


def test_tiles_are_the_thumbnails(groups: Store) -> None:
    made = projection.project(groups)
    assert made is not None
    assert made.tiles is not None
    sheet = Image.open(io.BytesIO(made.tiles))
    rows = -(-180 // made.columns)
    assert sheet.size == (made.columns * made.tile, rows * made.tile)
    last = (179 % made.columns * made.tile, 179 // made.columns * made.tile)
    red, green, blue = sheet.getpixel((last[0] + made.tile // 2, last[1] + made.tile // 2))  # type: ignore[misc]
    assert red > 180
    assert max(green, blue) < 60


def test_the_same_store_gives_the_same_projection(groups: Store) -> None:
    one, two = projection.project(groups), projection.project(groups)
    assert one is not None
    assert two is not None
    assert (one.points == two.points).all()
    assert one.ids == two.ids


def test_only_many_images_are_placed_by_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads take four times the processor time for the images of a page."""
    manifold, pools = pytest.importorskip("sklearn.manifold"), pytest.importorskip("threadpoolctl")
    used = []

    def place(self: object, vectors: np.ndarray) -> np.ndarray:
        (openmp,) = pools.ThreadpoolController().select(user_api="openmp").info()[-1:]
        used.append(openmp["num_threads"])
        return vectors[:, :2]

    monkeypatch.setattr(manifold.TSNE, "fit_transform", place)
    vectors = np.random.default_rng(0).normal(size=(plane.SAMPLE + 1, 4))
    with pools.threadpool_limits(3, user_api="openmp"):
        for count in (len(vectors), plane.SAMPLE):
            assert plane.tsne(vectors[:count], 0).shape == (count, 2)
    assert used == [3, 1]


def test_a_large_store_is_sampled(
    tmp_path: Path, store_factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_factory(tmp_path, {shard: [40, 3] for shard in range(6)})
    monkeypatch.setattr(plane, "PARTS", 5)
    monkeypatch.setattr(plane, "SAMPLE", 60)
    read: list[str] = []
    real = Store.read

    def reading(self: Store, part, *args, **kwargs):  # type: ignore[no-untyped-def]
        read.append(part.file)
        return real(self, part, *args, **kwargs)

    monkeypatch.setattr(Store, "read", reading)
    made = projection.project(store)
    assert made is not None
    assert len(read) == 5
    small = sum(name.endswith("00001.parquet") for name in read)
    assert len(made.ids) == min(60, small * 3 + (5 - small) * 40)
    assert len(set(made.ids)) == len(made.ids)


def test_too_few_rows(tmp_path: Path, store_factory: StoreFactory) -> None:
    assert projection.project(store_factory(tmp_path, {0: [7]})) is None
