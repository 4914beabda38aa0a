"""The positions of all rows, and the command that makes them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from clipvec import config, paths, projection
from clipvec.config import ProjectionConfig
from clipvec.errors import ConfigError, StoreError
from clipvec.projection import NOWHERE, StoredProjection, stored
from clipvec.projection.run import place, run
from clipvec.store import Folder, Rows, Store, compaction
from tests.stores import StoreFactory, delete, flip


def asked(root: Path, dataset: str = "toys", model: str = "toy") -> ProjectionConfig:
    """Return the configuration of ``clipvec projection``."""
    names = [f"dataset.name={dataset}", f"model.name={model}", f"store.root={root}"]
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        return config.read(compose("projection", names), ProjectionConfig)


@pytest.fixture(scope="module")
def projected(tmp_path_factory: pytest.TempPathFactory, store_factory: StoreFactory) -> Store:
    """A store of two shards with one deleted row, projected."""
    root = tmp_path_factory.mktemp("projected")
    store = store_factory(root, {0: [40, 30], 1: [30]})
    delete(store, "0/3")
    said = str(run(asked(root)))
    assert said == f"99 rows, in {store.url}/projection.parquet"
    assert str(run(asked(root))) == f"99 rows, as before, in {store.url}/projection.parquet"
    return Store.open(store.url)


def test_every_row_has_a_place(projected: Store) -> None:
    made = StoredProjection.read(projected.folder)
    assert made is not None
    rows = Rows.open(projected.url)
    ids = [
        id
        for part in rows.parts
        for p in projected.read(part, ["id"])
        for id in p["id"].to_pylist()
    ]
    assert made.ids.to_pylist() == ids
    assert set(made.parts.to_pylist()) == {part.file for part in rows.parts}
    assert made.points.dtype == np.uint16
    assert made.points.max() < NOWHERE
    assert len(np.unique(made.points, axis=0)) > 90


def test_rows_lie_between_those_most_like_them() -> None:
    """One that equals a landmark lies by it, and others move evenly from one to the next."""
    angles = np.linspace(0, np.pi / 2, 8)
    landmarks = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    plane = np.stack([np.linspace(0, 1, 8), np.zeros(8)], axis=1).astype(np.float32)
    turned = np.linspace(0, np.pi / 2, 200)
    vectors = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)
    found = place(vectors, landmarks, plane)
    assert found.dtype == np.float32
    assert np.abs(found[:, 0] - np.linspace(0, 1, 200)).max() < 0.25
    assert np.abs(np.diff(found[:, 0])).max() < 0.03
    same = place(np.ones((2, 2), np.float32), np.ones((8, 2), np.float32), plane)
    assert (same == same[0]).all()  # all landmarks are equally near
    assert 0 <= same.min() <= same.max() <= 1


def test_pages_show_the_same_places(projected: Store) -> None:
    made, sample = StoredProjection.read(projected.folder), projection.project(projected)
    assert made is not None
    assert sample is not None
    places = dict(zip(made.ids.to_pylist(), made.points / (NOWHERE - 1), strict=True))
    assert len(sample.ids) == 99
    assert np.allclose(sample.points, [places[id] for id in sample.ids])


def test_new_rows_are_taken_in(tmp_path: Path, store_factory: StoreFactory) -> None:
    store_factory(tmp_path, {0: [20]}, count=2)
    run(asked(tmp_path))
    store_factory(tmp_path, {0: [20], 1: [20]}, count=2)
    assert run(asked(tmp_path)).made
    made = StoredProjection.read(Folder(f"{tmp_path}/toys/toy"))
    assert made is not None
    assert len(made.points) == 40


def test_what_is_damaged_is_refused(tmp_path: Path, store_factory: StoreFactory) -> None:
    store = store_factory(tmp_path, {0: [20]})
    run(asked(tmp_path))
    file = Path(store.url, paths.PROJECTION)
    flip(file, file.stat().st_size // 3)
    with pytest.raises(StoreError, match=r"projection.parquet is damaged .*clipvec projection"):
        StoredProjection.read(store.folder)


def test_it_goes_with_what_compaction_takes_out(
    tmp_path: Path, store_factory: StoreFactory, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_factory(tmp_path, {0: [20]})
    run(asked(tmp_path))
    compaction.forget_derived(store)
    assert StoredProjection.read(store.folder) is None
    assert "clipvec projection makes it again" in caplog.text


def test_none_is_written_of_rows_that_went_meanwhile(
    tmp_path: Path, store_factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, encode = store_factory(tmp_path, {0: [20], 1: [20]}), stored.encode
    delete(store, "0/3")

    def late(*given: Any) -> bytes:
        made = encode(*given)
        with compaction.exclusive(store):
            now = store.again()
            found = compaction.write(now, now.committed()[0])
            assert found is not None
            assert compaction.commit(now, [found])
        return made

    monkeypatch.setattr(stored, "encode", late)
    with pytest.raises(StoreError, match=r"took rows out of .* run the same command again"):
        run(asked(tmp_path))
    assert StoredProjection.read(store.folder) is None


def test_too_few_rows(tmp_path: Path, store_factory: StoreFactory) -> None:
    store_factory(tmp_path, {0: [7]})
    with pytest.raises(ConfigError, match="has 7 rows, and a projection needs 8"):
        run(asked(tmp_path))
    with pytest.raises(StoreError, match="there is no store at"):
        run(replace(asked(tmp_path), store=replace(asked(tmp_path).store, root=f"{tmp_path}/x")))
