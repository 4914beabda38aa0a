"""Retrieval by captions, compared with a computation that looks at every pair."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from pathlib import Path

import numpy as np
import pytest

from clipvec.bootstrap import confidence_interval
from clipvec.evaluate import ranks
from clipvec.evaluate.captions import retrieval
from clipvec.store import Rows, draw_captions
from tests.evaluate.stores import opened, random_vectors, store_of, vectors_of
from tests.stores import delete

KS = (1, 2, 5, 10)


def brute_force(
    queries: np.ndarray, candidates: np.ndarray, right: np.ndarray
) -> tuple[dict[int, list[float]], list[float]]:
    """Return recall@k and the expected rank of each query; equal scores are in random order.

    Args:
        queries: float32 [Q, D].
        candidates: float32 [N, D].
        right: bool [Q, N].
    """
    recall: dict[int, list[float]] = {k: [] for k in KS}
    expected = []
    for query, good in zip(queries.astype(float), right, strict=True):
        scores = [float((query * candidate).sum()) for candidate in candidates.astype(float)]
        best = max(score for score, is_good in zip(scores, good, strict=True) if is_good)
        above = sum(score > best for score in scores)
        tied = [bool(g) for score, g in zip(scores, good, strict=True) if score == best]
        wrong = len(tied) - sum(tied)
        for k in KS:
            places = min(max(k - above, 0), len(tied))
            recall[k].append(1 - comb(wrong, places) / comb(len(tied), places))
        expected.append(above + 1 + wrong / (sum(tied) + 1))
    return recall, expected


def captions_of(rows: Rows) -> list[str | None]:
    return [c for _, piece in rows.pieces(["caption"]) for c in piece["caption"].to_pylist()]


def test_rows_that_are_the_same(tmp_path: Path) -> None:
    part = store_of(tmp_path, random_vectors(4), ["a"] * 4)
    twice = Rows(part.store, [*part.parts, *part.parts])
    found = retrieval(twice, ["a"], random_vectors(1, seed=1), 8, 0)
    assert len(found["image_to_text"].right) == 8


@pytest.mark.parametrize("block", [1024, 7])
def test_equal_to_brute_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(ranks, "_QUERIES", block)
    monkeypatch.setattr(ranks, "_NUMBERS", 64)
    vectors = random_vectors(60)
    vectors[20:30] = vectors[10:20]  # equal images, of other captions and of the same
    captions: list[str | None] = [f"caption {n % 25}" for n in range(60)]
    captions[28] = captions[18] = "a pair"
    captions[3] = captions[40] = None
    captions[41] = " "
    rows = store_of(tmp_path, vectors, captions)
    drawn = draw_captions(rows, 1000, 0)
    assert len(drawn) == 26
    texts = random_vectors(26, seed=1)
    texts[5] = texts[4]  # captions that differ only in what the model does not see
    found = retrieval(rows, drawn, texts, 1000, 0)
    images, own = vectors_of(rows), captions_of(rows)
    right = np.array([[caption == each for each in own] for caption in drawn])

    recall, expected = brute_force(texts, images, right)
    to_images = found["text_to_image"]
    for k in KS:
        np.testing.assert_allclose(to_images.ranks.recall_at(k), recall[k], rtol=1e-12)
    np.testing.assert_array_equal(to_images.ranks.expected, expected)
    np.testing.assert_array_equal(to_images.right, right.sum(axis=1))
    assert to_images.chance(1) == pytest.approx(right.mean())

    captioned = right.any(axis=0)
    recall, expected = brute_force(images[captioned], texts, right.T[captioned])
    to_texts = found["image_to_text"]
    for k in KS:  # images come in an order of their own
        np.testing.assert_allclose(
            sorted(to_texts.ranks.recall_at(k)), sorted(recall[k]), rtol=1e-12
        )
    assert sorted(to_texts.ranks.expected) == sorted(expected)
    assert to_texts.chance(5) == pytest.approx(5 / 26)


def perfect(root: Path, captions: Sequence[str]) -> tuple[Rows, list[str], np.ndarray]:
    """Return a store, its captions and their vectors, by a model that gives image n and text n one
    vector."""
    vectors = random_vectors(len(captions))
    rows = store_of(root, vectors, captions)
    drawn = draw_captions(rows, 1000, 0)
    return rows, drawn, vectors_of(rows)[[int(caption) for caption in drawn]]


def test_wrong_captions_cost_what_they_should(tmp_path: Path) -> None:
    right = [str(n) for n in range(300)]
    for name, captions, recall in (
        ("right", right, 1.0),
        ("noise", [*right[1:30], right[0], *right[30:]], 0.9),
    ):
        found = retrieval(*perfect(tmp_path / name, captions), 1000, 0)
        for each in found.values():
            assert each.ranks.recall_at(1).mean() == pytest.approx(recall)


def test_random_vectors_are_at_chance(tmp_path: Path) -> None:
    rows = store_of(tmp_path, random_vectors(400), [str(n // 2) for n in range(400)])
    drawn = draw_captions(rows, 1000, 0)
    found = retrieval(rows, drawn, random_vectors(len(drawn), seed=2), 1000, 0)
    for each in found.values():
        for k in (5, 10):
            interval = confidence_interval(each.ranks.recall_at(k), 0)
            assert interval.low < each.chance(k) < interval.high


def test_a_model_of_one_vector_is_at_chance(tmp_path: Path) -> None:
    vectors = np.repeat(random_vectors(1), 40, axis=0)
    rows = store_of(tmp_path, vectors, [str(n // 2) for n in range(40)])
    drawn = draw_captions(rows, 1000, 0)
    for each in retrieval(rows, drawn, vectors[: len(drawn)], 1000, 0).values():
        for k in (1, 10):
            assert each.ranks.recall_at(k).mean() == pytest.approx(each.chance(k))


def test_deleted_rows_are_neither_queries_nor_answers(tmp_path: Path) -> None:
    rows, _, _ = perfect(tmp_path, [str(n) for n in range(30)])
    delete(rows.store, "7", "8")
    left = Rows.open(opened(tmp_path).url)
    drawn = draw_captions(left, 1000, 0)
    assert not {"7", "8"} & set(drawn)
    found = retrieval(left, drawn, random_vectors(len(drawn)), 1000, 0)
    assert found["text_to_image"].candidates == len(found["image_to_text"].right) == 28


def test_a_sample_is_the_same_for_other_shards(tmp_path: Path) -> None:
    captions = [f"{n % 50}" for n in range(200)]
    vectors = random_vectors(200)
    one = store_of(tmp_path / "one", vectors, captions)
    drawn = draw_captions(one, 20, 3)
    texts = random_vectors(20, seed=1)
    first = retrieval(one, drawn, texts, 15, 3)["image_to_text"].ranks.expected
    one.parts.reverse()
    again = retrieval(Rows(one.store, one.parts), drawn, texts, 15, 3)["image_to_text"]
    assert len(first) == 15
    np.testing.assert_array_equal(first, again.ranks.expected)
