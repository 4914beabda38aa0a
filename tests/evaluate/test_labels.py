"""Classification by labels, compared with scikit-learn and with every pair of images."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from clipvec import config
from clipvec.bootstrap import balanced_interval
from clipvec.config import PromptsConfig
from clipvec.errors import ConfigError
from clipvec.evaluate import classify
from clipvec.evaluate.classify import linear_probe, nearest_neighbours, zero_shot
from clipvec.evaluate.labels import Labels, read_labels
from clipvec.evaluate.measure import texts_of
from clipvec.store import Rows
from clipvec.vectors import unit
from tests.evaluate.stores import opened, random_vectors, store_of, vectors_of
from tests.stores import delete

NAMES = ["a bird", "a fish", "a goat"]


def clusters(count: int, spread: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors around three directions, the directions, and which each is around."""
    rng = np.random.default_rng(seed)
    centres = random_vectors(3, seed=seed)
    classes = rng.choice(3, count, p=[0.5, 0.3, 0.2])
    return unit(centres[classes] + spread * rng.normal(size=(count, 16))), centres, classes


def labelled(root: Path, vectors: np.ndarray, names: list[str | None]) -> tuple[Rows, Labels]:
    rows = store_of(root, vectors, [None] * len(vectors), names)
    return rows, read_labels(rows, "category", 1000, 0)


def test_neighbours_are_those_of_every_pair(tmp_path: Path) -> None:
    vectors, _, classes = clusters(120, 0.3)
    names = [NAMES[c] if n % 10 else None for n, c in enumerate(classes)]
    rows, labels = labelled(tmp_path, vectors, names)
    stored = vectors_of(rows).astype(float)
    expected = []
    for row in labels.drawn.tolist():
        others = [n for n in range(120) if n != row and names[n] is not None]
        near = sorted(others, key=lambda n: -stored[n] @ stored[row])[:6]
        votes = Counter(names[n] for n in near)
        most = [name for name, count in votes.items() if count == max(votes.values())]
        # Names come in the order of the neighbours: the first is that of the nearest.
        expected.append(most[0])
    images = labels.vectors(rows)
    found = nearest_neighbours(rows, labels, images, 6)
    assert [labels.classes[c] for c in found] == expected
    np.testing.assert_array_equal(images, vectors_of(rows)[labels.drawn])
    assert len(labels.drawn) == labels.count == 108


def test_the_probe_is_the_ridge_of_the_best_left_out() -> None:
    vectors, _, classes = clusters(45, 0.5)
    weights, bias = classify._fit(vectors, classes, 3)
    targets = np.eye(3)[classes]
    mean = np.linalg.eigvalsh(np.cov(vectors.T.astype(float), bias=True) * 45).mean()
    best: tuple[float, Ridge | None] = (-1, None)
    for penalty in (10, 1, 0.1, 0.01, 0.001):
        right = 0
        for n in range(45):
            rest = np.arange(45) != n
            ridge = Ridge(alpha=penalty * mean).fit(vectors[rest].astype(float), targets[rest])
            right += int(ridge.predict(vectors[n : n + 1])[0].argmax() == classes[n])
        if right > best[0]:
            best = right, Ridge(alpha=penalty * mean).fit(vectors.astype(float), targets)
    ridge = best[1]
    assert ridge is not None
    np.testing.assert_allclose(weights, ridge.coef_.T, atol=1e-9)
    np.testing.assert_allclose(bias, ridge.intercept_, atol=1e-9)


def test_the_probe_is_asked_about_what_it_was_not_trained_on() -> None:
    vectors, _, _ = clusters(200, 0.2)
    classes = np.random.default_rng(3).integers(0, 2, 200)  # labels that mean nothing
    right = linear_probe(vectors, classes, 2) == classes
    assert right.mean() == pytest.approx(0.5, abs=0.11)  # 3 standard errors


def test_wrong_labels_cost_what_they_should(tmp_path: Path) -> None:
    vectors, centres, classes = clusters(300, 0.03)
    noisy = classes.copy()
    noisy[:30] = (noisy[:30] + 1) % 3
    for wrong, given in ((0.0, classes), (0.1, noisy)):
        rows, labels = labelled(tmp_path / str(wrong), vectors, [NAMES[c] for c in given])
        images, true = labels.vectors(rows), labels.of_drawn
        for predicted in (
            zero_shot(images, centres[:, None, :]),
            nearest_neighbours(rows, labels, images, 10),
            linear_probe(images, true, 3),
        ):
            assert (predicted == true).mean() == pytest.approx(1 - wrong, abs=0.005)


def test_random_vectors_are_at_chance(tmp_path: Path) -> None:
    names: list[str | None] = [NAMES[n % 3] for n in range(300)]
    rows, labels = labelled(tmp_path, random_vectors(300), names)
    images, true = labels.vectors(rows), labels.of_drawn
    for predicted in (
        zero_shot(images, random_vectors(6, seed=1).reshape(3, 2, 16)),
        nearest_neighbours(rows, labels, images, 10),
        linear_probe(images, true, 3),
    ):
        found = balanced_interval(predicted == true, true, 0)
        assert found.low < 1 / 3 < found.high


def test_deleted_rows_have_no_class(tmp_path: Path) -> None:
    rows, _ = labelled(tmp_path, random_vectors(20), [NAMES[n % 2] for n in range(20)])
    delete(rows.store, "3", "4")
    assert read_labels(Rows.open(opened(tmp_path).url), "category", 1000, 0).count == 18


def test_an_empty_value_is_no_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, labels = labelled(tmp_path, random_vectors(20), ["", *NAMES, *NAMES] * 2 + NAMES * 2)
    assert labels.classes == NAMES
    assert labels.count == 18
    (said,) = caplog.messages
    assert (
        said == f"label=category: 2 images of {tmp_path}/toys/toy of no class, their value is empty"
    )


def test_a_sample_is_the_same_for_other_shards(tmp_path: Path) -> None:
    rows, _ = labelled(tmp_path, random_vectors(90), [NAMES[n * n % 3] for n in range(90)])
    first = rows.ids(read_labels(rows, "category", 7, 1).drawn)
    other = Rows(rows.store, rows.parts[::-1])
    again = read_labels(other, "category", 7, 1)
    assert len(first) == 7
    assert other.ids(again.drawn).tolist() == first.tolist()
    assert again.classes == sorted(again.classes)


def test_each_class_has_texts_of_its_own() -> None:
    names = {0: "a dog", True: "a cat"}
    prompts = config.from_dict({"templates": ["photo of {}", "{}"], "names": names}, PromptsConfig)
    found = texts_of(prompts, ["0", "a_b", "true"])
    assert [texts[1] for texts in found] == ["a dog", "a b", "a cat"]
    with pytest.raises(ConfigError, match="the classes '0' and 'a_dog' have the same texts, such"):
        texts_of(prompts, ["0", "a_dog", "true"])


@pytest.mark.parametrize(
    ("label", "names", "message"),
    [
        ("colour", NAMES * 2, r"label=colour: .* has no such attribute; it has category \(string"),
        ("ratio", NAMES * 2, "its values are of type float, which are no classes"),
        ("category", [""] * 4, r"label=category: no image of .* has one"),
        ("nice", NAMES * 2, r"label=nice: no image of .* has one"),
        ("stars", NAMES * 2, "have the same, '3'; two classes are needed"),
        ("category", [*NAMES, NAMES[0]], "3 classes for 4 images to classify; each needs two"),
        ("category", NAMES, "each of 3 images of .* has one of its own; name an attribute"),
    ],
)
def test_what_is_no_label(
    tmp_path: Path, label: str, names: list[str | None], message: str
) -> None:
    rows = store_of(tmp_path, random_vectors(len(names)), [None] * len(names), names)
    with pytest.raises(ConfigError, match=message):
        read_labels(rows, label, 10, 0)
