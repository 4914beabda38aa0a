"""Overlap of neighbours, compared with every pair of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clipvec.bootstrap import confidence_interval
from clipvec.evaluate.agreement import (
    Answers,
    agreements,
    answers,
    hashes_of,
    neighbours,
    overlap,
    pictures,
)
from clipvec.evaluate.results import Agreement, Disagreement
from clipvec.store import Rows
from clipvec.store import rows as store_rows
from clipvec.vectors import unit
from tests.evaluate.stores import opened, random_vectors, store_of, vectors_of
from tests.stores import delete, make_store


def nearest(rows: Rows, count: int) -> dict[str, list[str]]:
    """Return the nearest others of each image of a store, nearest first, from every pair."""
    ids = [id for _, piece in rows.pieces(["id"]) for id in piece["id"].to_pylist()]
    scores = vectors_of(rows).astype(float) @ vectors_of(rows).astype(float).T
    np.fill_diagonal(scores, -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return {id: [ids[n] for n in row] for id, row in zip(ids, order.tolist(), strict=True)}


def near(rows: Rows, count: int, seed: int) -> Answers:
    return neighbours(rows, count, hashes_of(rows, seed))


def noisy(vectors: np.ndarray, spread: float) -> np.ndarray:
    return unit(vectors + spread * random_vectors(*vectors.shape, seed=9))


@pytest.fixture
def both(tmp_path: Path) -> tuple[Rows, Rows]:
    """Two models' stores of the same images, the second with its rows in another order."""
    vectors = random_vectors(90)
    a = store_of(tmp_path / "a", vectors, [None] * 90)
    b = store_of(tmp_path / "b", noisy(vectors, 0.6), [None] * 90)
    return a, Rows(b.store, b.parts[::-1])


def test_equal_to_brute_force(both: tuple[Rows, Rows]) -> None:
    a, b = both
    found = {"a": near(a, 40, 3), "b": near(b, 40, 3)}
    assert found["a"].queries == found["b"].queries
    assert len(set(found["a"].queries)) == 40
    truth = {"a": nearest(a, 10), "b": nearest(b, 10)}
    for name, each in found.items():
        assert dict(zip(each.queries, each.nearest.tolist(), strict=True)) == {
            id: truth[name][id] for id in each.queries
        }
    (agreed,) = agreements(found, 3)
    shares = {}
    for k in (1, 5, 10):
        shares[k] = np.array(
            [
                len(set(truth["a"][id][:k]) & set(truth["b"][id][:k])) / k
                for id in found["a"].queries
            ]
        )
        np.testing.assert_array_equal(overlap(found["a"], found["b"], k), shares[k])
        assert agreed.overlap_at[k] == confidence_interval(shares[k], 3)
        assert agreed.chance[k] == k / 89
    assert (agreed.by, agreed.queries, agreed.candidates) == ("image", 40, 89)
    least = [shown.overlap for shown in agreed.disagreements]
    assert least == sorted(shares[10])[:6]
    worst = agreed.disagreements[0]
    assert worst.a == truth["a"][worst.query][:5]
    assert worst.b == truth["b"][worst.query][:5]


def test_answers_to_texts_are_equal_to_brute_force(both: tuple[Rows, Rows]) -> None:
    texts, queries = ["a bird", "a dog", "0"], random_vectors(3, seed=4)
    found, truth = {}, {}
    for name, rows in zip("ab", both, strict=True):
        found[name] = answers(rows, texts, queries, hashes_of(rows, 3))
        ids = np.array([id for _, piece in rows.pieces(["id"]) for id in piece["id"].to_pylist()])
        order = np.argsort(-(queries @ vectors_of(rows).T), axis=1)[:, :10]
        truth[name] = ids[order]
        assert found[name].nearest.tolist() == truth[name].tolist()
    (agreed,) = agreements(found, 3)
    shares = [len({*one} & {*other}) / 10 for one, other in zip(*truth.values(), strict=True)]
    assert (agreed.by, agreed.queries, agreed.candidates) == ("text", 3, 90)
    assert agreed.overlap_at[10] == confidence_interval(np.array(shares), 3)
    assert {shown.query: shown.overlap for shown in agreed.disagreements} == dict(
        zip(texts, shares, strict=True)
    )


def test_what_agreement_is_of_the_same_and_of_random_vectors(tmp_path: Path) -> None:
    a, b = (
        near(store_of(tmp_path / str(n), random_vectors(400, seed=n), [None] * 400), 400, 0)
        for n in range(2)
    )
    (same,) = agreements({"a": a, "again": a}, 0)
    assert {each.value for each in same.overlap_at.values()} == {1.0}
    assert same.disagreements == []
    (other,) = agreements({"a": a, "b": b}, 0)
    for k, chance in other.chance.items():
        assert other.overlap_at[k].low < chance < other.overlap_at[k].high


@pytest.mark.parametrize("copies", [4, 30])
def test_a_model_agrees_with_itself_about_copies_in_any_order(
    tmp_path: Path, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_rows, "CHUNK_ROWS", 100)
    vectors = np.repeat(random_vectors(240 // copies, dim=512), copies, axis=0)
    rows = store_of(tmp_path, vectors, [None] * 240)
    found = {"a": near(rows, 240, 0)}
    found["b"] = near(Rows(rows.store, rows.parts[::-1]), 240, 0)
    (same,) = agreements(found, 0)
    assert {k: each.value for k, each in same.overlap_at.items()} == {1: 1.0, 5: 1.0, 10: 1.0}


def test_few_images_have_few_neighbours(tmp_path: Path) -> None:
    a, b = (
        near(store_of(tmp_path / str(n), random_vectors(4, seed=n), [None] * 4), 9, 0)
        for n in range(2)
    )
    (found,) = agreements({"a": a, "b": b}, 0)
    assert (found.queries, found.candidates, found.overlap_at[5].value) == (4, 3, 1.0)


def test_only_the_first_model_shows_images(tmp_path: Path) -> None:
    found = {
        name: near(store_of(tmp_path / name, random_vectors(30, seed=n), [None] * 30), 9, 0)
        for n, name in enumerate("abc")
    }
    pairs = [(each.a, each.b, bool(each.disagreements)) for each in agreements(found, 0)]
    assert pairs == [("a", "b", True), ("a", "c", True), ("b", "c", False)]


def test_pictures_come_from_the_store(tmp_path: Path, both: tuple[Rows, Rows]) -> None:
    store = make_store(tmp_path, {0: [6, 4]}, thumbnail=b"a picture")
    delete(store, "0/1")
    rows = Rows.open(opened(tmp_path).url)
    shown = Disagreement("0/0", 0.0, ["0/1", "0/7"], ["0/9"])
    found = Agreement("a", "b", "image", 1, 9, {}, {}, [shown])
    assert pictures([rows], [found]) == dict.fromkeys(["0/0", "0/7", "0/9"], b"a picture")
    assert pictures(both, [found]) == {}  # rows without thumbnails
    asked = Agreement("a", "b", "text", 1, 10, {}, {}, [shown])  # a text, as an image is called
    assert pictures([rows], [asked]) == dict.fromkeys(["0/7", "0/9"], b"a picture")
