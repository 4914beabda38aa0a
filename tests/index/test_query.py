from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipvec.config import ChromaConfig, FaissConfig, HnswConfig, IndexConfig
from clipvec.errors import CollectionError, ConfigError
from clipvec.index import filters, open_index, published
from clipvec.index.backend import open_backend
from clipvec.index.base import SCORE_TOLERANCE
from clipvec.index.build import build_index
from clipvec.index.chroma import brute_force
from clipvec.index.query import combine, split_weight
from clipvec.search import results
from clipvec.store import Row, Store
from tests.index.conftest import build_config
from tests.index.test_build import rows_of
from tests.stores import ATTRIBUTES, StoreFactory, row

Folder = ChromaConfig


@pytest.fixture(scope="module", params=["chroma", "faiss"])
def large(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    store_factory: StoreFactory,
) -> tuple[IndexConfig, Store]:
    """An index of 3,000 rows x 64."""
    root = tmp_path_factory.mktemp("large")
    store = store_factory(root, {0: [1500], 1: [1000, 500]}, dim=64)
    index: IndexConfig = ChromaConfig(path=str(root / "index"))
    if request.param == "faiss":
        index = FaissConfig(path=str(root / "index"), factory="IVF16,RaBitQ")
    build_index(build_config(root, index, batch_rows=2000))
    return index, store


def random_units(count: int, dim: int = 64) -> np.ndarray:
    vectors = np.random.default_rng(7).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def exact_answer(store: Store, vector: np.ndarray) -> list[tuple[str, float]]:
    rows = rows_of(store)
    matrix = np.stack(list(rows.values())).astype(np.float64)
    scores = matrix @ vector / np.linalg.norm(matrix, axis=1)
    return sorted(zip(rows, scores.tolist(), strict=True), key=lambda pair: -pair[1])


@pytest.mark.parametrize("weights", [[1.0], [1.0, 1.5], [2.0, 1.0, -1.0], [-1.0]])
def test_weighted_terms_equal_numpy(large: tuple[IndexConfig, Store], weights: list[float]) -> None:
    index, store = large
    terms = random_units(len(weights))
    vector = combine(terms, weights)
    wanted = np.sum([w * t for w, t in zip(weights, terms, strict=True)], axis=0)
    np.testing.assert_allclose(vector, wanted / np.linalg.norm(wanted), atol=1e-6)
    with open_index(index) as collection:
        hits = collection.query(vector, 5000)
    answer = dict(exact_answer(store, vector))
    assert {hit.id for hit in hits} == set(answer)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    np.testing.assert_allclose([h.score for h in hits], [answer[h.id] for h in hits], atol=1e-5)


def test_many_queries_in_one_request(large: tuple[IndexConfig, Store]) -> None:
    index, store = large
    vectors = random_units(5)
    with open_index(index) as collection:
        found = collection.query_many(vectors, 3000)
        best = [hits[0].id for hits in found]
        assert [collection.query(vector, 3000)[0].id for vector in vectors] == best
        assert collection.query_many(vectors[:0], 3) == []
    assert best == [exact_answer(store, vector)[0][0] for vector in vectors]


def test_scores_below_the_minimum_are_left_out(large: tuple[IndexConfig, Store]) -> None:
    index, store = large
    vector = random_units(1)[0]
    with open_index(index) as collection:
        hits = collection.query(vector, 3000, min_score=0.3)
        assert collection.query(vector, 10, min_score=0.99) == []
    assert [h.id for h in hits] == [id for id, score in exact_answer(store, vector) if score >= 0.3]


def test_copies_score_exactly_one(large: tuple[IndexConfig, Store]) -> None:
    index, store = large
    rows = rows_of(store)
    with open_index(index) as collection:
        found = collection.query_many(np.stack(list(rows.values())[:300]), 1, min_score=1)
    assert [hit.id for hits in found for hit in hits] == list(rows)[:300]
    scores = [hit.score for hits in found for hit in hits]
    assert 1 - SCORE_TOLERANCE < min(scores) < max(scores) == 1


def test_filters(large: tuple[IndexConfig, Store]) -> None:
    index, _ = large
    texts = ["category=bird", "stars>=2", "ratio<10", "nice=true", "width!=118"]
    chosen = filters.parse(texts, ATTRIBUTES)
    with open_index(index) as collection:
        found = {hit.id for hit in collection.query(random_units(1)[0], 3000, chosen)}

    def admits(row: Row) -> bool:
        values = row.attributes
        return (
            values["category"] == "bird"
            and (values["stars"] or 0) >= 2
            and values["ratio"] < 10
            and values["nice"]
            and row.width != 118
        )

    rows = [row(0, number) for number in range(1500)] + [row(1, n) for n in range(1500)]
    assert found == {row.id for row in rows if admits(row)}
    assert found


def test_filters_as_large_as_they_may_be(large: tuple[IndexConfig, Store]) -> None:
    index, _ = large
    widths = [{"width": width} for width in range(filters.MOST_COMPARISONS)]
    listed = {"width": {"$in": list(range(filters.MOST_VALUES))}}
    nested: dict[str, Any] = {"width": 100}
    for _ in range(8):
        nested = {"$or": [nested, nested]}
    with open_index(index) as collection:
        for given, end in (({"$or": widths}, 256), (listed, 1000)):
            checked = filters.from_json(given, ATTRIBUTES)
            found = collection.query(random_units(1)[0], 3000, checked)
            assert {hit.width for hit in found} == set(range(100, end))
        found = collection.query(random_units(1)[0], 3000, filters.from_json(nested, ATTRIBUTES))
        assert {hit.width for hit in found} == {100}


def test_ef_search_applies_after_reopening(
    tmp_path: Path, folder: Folder, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, {0: [3000]}, dim=64)
    build_index(build_config(tmp_path, folder, batch_rows=3000))
    vectors = random_units(50)
    found = []
    for ef in (10, 500):
        with open_index(folder, "toys--toy") as collection:
            collection.nearest(vectors[:1], 1)
            collection.set_search_settings({"ef_search": ef})
            before = collection.nearest(vectors, 10)
        with open_index(folder, "toys--toy") as collection:
            assert collection.settings["ef_search"] == ef
            found += [before, collection.nearest(vectors, 10)]
    best = [sum(scores[-1] for _, scores in answer) for answer in found]
    assert best[0] > best[1]  # 100 candidates, then 10
    assert best[2] == pytest.approx(best[1])
    assert best[3] > best[2]


@pytest.mark.parametrize("vector", [np.ones(63, np.float32), np.full(64, np.nan, np.float32)])
def test_vectors_that_do_not_fit(large: tuple[IndexConfig, Store], vector: np.ndarray) -> None:
    with (
        open_index(large[0]) as collection,
        pytest.raises(ConfigError, match="finite vectors of 64 numbers"),
    ):
        collection.query(vector, 3)


def test_rows_that_hnsw_does_not_reach(tmp_path: Path, folder: Folder) -> None:
    """A graph with few links over clusters misses rows; the query does not."""
    from tests.stores import make_store

    store = make_store(tmp_path, {}, dim=32, count=1)
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(32, dtype=np.float32)[:20] * 5, 100, axis=0)
    vectors = centres + rng.normal(size=centres.shape).astype(np.float32) * 0.1
    writer = store.writer(0)
    writer.write_part([row(0, n) for n in range(2000)], vectors, 2000)
    writer.commit({})
    few = HnswConfig(max_neighbors=2, ef_construction=4, ef_search=10)
    with pytest.raises(CollectionError, match=r"are not found by their own.*max_neighbors=4"):
        build_index(build_config(tmp_path, folder, hnsw=vars(few), batch_rows=2000))
    vector = rng.normal(size=32).astype(np.float32)
    with pytest.raises(CollectionError, match="holds 2,000 of 2,000 rows: its first loading"):
        open_index(folder)  # nothing that failed its verification is taken for an index
    with open_backend(folder).open("toys--toy") as collection:
        assert len(collection.nearest(vector[None], 2000)[0][0]) < 2000
        hits = collection.query(vector, 2000)
        birds = collection.query(vector, 2000, filters.Comparison("category", "=", "bird"))
    answer = exact_answer(store, vector / np.linalg.norm(vector))
    assert {hit.id for hit in hits} == {id for id, _ in answer}
    np.testing.assert_allclose([h.score for h in hits], [s for _, s in answer], atol=1e-5)
    assert len(birds) == 1000


def test_exact_search_keeps_the_best_across_pages() -> None:
    vectors = random_units(10)
    pages = [([str(i) for i in part], vectors[part]) for part in (range(4), range(4, 10))]
    found = brute_force.search(pages, vectors[[2, 7]], 3)
    order = np.argsort(-(vectors[[2, 7]] @ vectors.T), axis=1)[:, :3]
    assert [ids for ids, _ in found] == [[str(i) for i in best] for best in order]


def test_collections_to_choose_from(
    tmp_path: Path, folder: Folder, store_factory: StoreFactory, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(CollectionError, match=r"no collection in .*clipvec index"):
        open_index(folder)
    store_factory(tmp_path, {0: [5]})
    build_index(build_config(tmp_path, folder))
    with pytest.raises(CollectionError, match=r"no collection a--b .*collection=toys--toy"):
        open_index(folder, "a--b")
    second = Path(folder.path) / "toys--toy"
    second.rename(second.with_name("x--y"))
    build_index(build_config(tmp_path, folder))
    for mark in (tmp_path / second).with_name("x--y").glob("*.json"):
        os.utime(mark, (1, 1))
    with open_index(folder) as opened:
        assert opened.name == "toys--toy"
    said = f"toys--toy is the newest collection in {folder.path}; others: collection=x--y"
    assert caplog.messages == [said]
    for dataset, model in (("x", None), (None, "y"), ("x", "local")):
        assert published(folder, None, dataset, model).name == "x--y"
    toys = Path(folder.path) / "toys--toy"
    toys.rename(toys.with_name("x--more--y"))
    build_index(build_config(tmp_path, folder))
    assert published(folder, dataset="x").name == "x--y"
    assert published(folder, dataset="x--more").name == "x--more--y"
    for dataset, model, of in (
        ("none", None, "of dataset.name=none"),
        ("none", "toy", "of dataset.name=none by model.name=toy"),
        ("x", "toy", "of dataset.name=x by model.name=toy"),
        (None, "other", "by model.name=other"),
    ):
        said = rf"no collection {re.escape(of)} in .*choose from .*collection=toys--toy"
        with pytest.raises(CollectionError, match=said):
            open_index(folder, dataset=dataset, model=model)


def test_thumbnails_come_from_the_store(
    large: tuple[IndexConfig, Store], caplog: pytest.LogCaptureFixture
) -> None:
    index, store = large
    with open_index(index, "toys--toy") as collection:
        hits = collection.query(random_units(1)[0], 4)
        thumbnails = collection.thumbnails(hits)
        assert thumbnails.keys() == {hit.key for hit in hits}
        assert all(jpeg and jpeg.startswith(b"\xff\xd8") for jpeg in thumbnails.values())
        page = results.to_html("<b>", hits, thumbnails)
        collection.held.info = replace(collection.info, store=f"{store.url}-gone")
        assert collection.thumbnails(hits) == {}
    assert caplog.text.count("no thumbnails from the store") == 1
    assert page.count("data:image/jpeg;base64,") == 4
    assert "<h1>&lt;b&gt;</h1>" in page
    assert "toy &lt;" in page
    assert "toy <" not in page


@pytest.mark.parametrize(
    ("term", "parts"),
    [
        ("a red bird", ("a red bird", 1.0)),
        ("a red bird^1.5", ("a red bird", 1.5)),
        ("x^2^.25", ("x^2", 0.25)),
        ("2^n", ("2^n", 1.0)),
        ("^2", ("^2", 1.0)),
    ],
)
def test_weights(term: str, parts: tuple[str, float]) -> None:
    assert split_weight(term) == parts


def test_terms_that_cancel_out() -> None:
    vectors = random_units(1).repeat(2, axis=0)
    with pytest.raises(ConfigError, match="cancel each other out"):
        combine(vectors, [1.0, -1.0])
