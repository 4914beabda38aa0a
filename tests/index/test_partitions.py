"""Partitions of a collection, searched together."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipvec.config import ChromaConfig, IndexConfig
from clipvec.errors import CollectionError, ConfigError, FingerprintError
from clipvec.index import open_index
from clipvec.index.base import SCORE_TOLERANCE, Hit
from clipvec.index.build import build_index
from clipvec.index.chroma.client import client_factory
from clipvec.index.filters import Comparison
from tests.index.conftest import build_config
from tests.stores import StoreFactory

SHARDS = {0: [40], 1: [30, 10], 2: [50], 3: [20]}


def units(count: int, dim: int = 16) -> np.ndarray:
    vectors = np.random.default_rng(5).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make(root: Path, index: IndexConfig, *partitions: int | str | list[int | str] | None) -> None:
    for partition in partitions:
        build_index(build_config(root, index, partition=partition))


def _without_scores(hits: list[Hit]) -> list[Hit]:
    """BLAS rounds the scores of fewer rows at once in another way on some processors."""
    return [replace(hit, score=0.0) for hit in hits]


def test_partitions_find_what_one_collection_finds(
    tmp_path: Path, folder: ChromaConfig, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, SHARDS)
    make(tmp_path, folder, None)
    parts = ChromaConfig(str(tmp_path / "parts"))
    make(tmp_path, parts, 0, "1-2", [3])
    assert client_factory(parts).names() == [
        f"toys--toy--shards-{spec}" for spec in ("0", "1-2", "3")
    ]

    vectors = units(20)
    with open_index(folder) as whole, open_index(parts) as cut:
        assert (cut.name, cut.count(), cut.dim) == ("toys--toy", 150, 16)
        for k, filters in ((10, None), (200, None), (10, Comparison("stars", ">", 2))):
            want = whole.query_many(vectors, k, filters)
            for one, other in zip(want, cut.query_many(vectors, k, filters), strict=True):
                scores = [[hit.score for hit in hits] for hits in (one, other)]
                assert scores[0] == pytest.approx(scores[1], abs=SCORE_TOLERANCE)
                assert _without_scores(one) == _without_scores(other)
        ids = [hit.id for hit in want[0]]
        assert cut.get(ids) == whole.get(ids)
        assert set(cut.vectors([*ids, "none"])) == set(ids)
        assert cut.thumbnails(want[0]) == whole.thumbnails(want[0])
        assert cut.sample(1000).shape == (150, 16)
        counted, several = (index.facets(["stars", "category"]) for index in (whole, cut))
        assert counted is not None
        assert several is not None
        assert counted.rows == several.rows == 150
        for key, values in counted.values.items():
            assert several.values[key].sort_by("value") == values.sort_by("value")
        with pytest.raises(ConfigError, match="vectors of 16 numbers"):
            cut.query(units(1, 8)[0], 3)


def test_overlapping_partitions_give_each_row_once(
    tmp_path: Path, folder: ChromaConfig, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, SHARDS)
    make(tmp_path, folder, "0-1", "1-3")
    with open_index(folder) as cut:
        hits = cut.query(units(1)[0], 150)
    assert len({hit.id for hit in hits}) == len(hits) == 150


def test_shards_without_a_partition_are_reported(
    tmp_path: Path,
    folder: ChromaConfig,
    store_factory: StoreFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store_factory(tmp_path, SHARDS)
    make(tmp_path, folder, "0,2")
    with caplog.at_level(logging.WARNING), open_index(folder) as cut:
        assert cut.count() == 90
    assert "toys--toy: no partition holds the shards 1,3" in caplog.text
    with open_index(folder, "toys--toy--shards-0_2") as one:
        assert one.count() == 90


def test_partitions_of_two_stores_are_refused(
    tmp_path: Path, folder: ChromaConfig, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, SHARDS)
    make(tmp_path, folder, 0)
    store_factory(tmp_path / "other", SHARDS, weights="x" * 64)
    make(tmp_path / "other", folder, 1)
    with pytest.raises(FingerprintError, match=r"partition .*shards-0.*weights w"):
        open_index(folder)


def test_a_shard_that_does_not_exist(
    tmp_path: Path, folder: ChromaConfig, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, SHARDS)
    with pytest.raises(ConfigError, match=r"names shard 4, but sharding.count=4"):
        make(tmp_path, folder, "3-4")
    with pytest.raises(CollectionError, match="there is no collection in"):
        open_index(folder)
