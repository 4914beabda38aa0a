"""Two models on the same queries."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from clipvec.bootstrap import Difference, confidence_interval, difference_interval
from clipvec.config import EvaluateConfig, read_command
from clipvec.errors import ConfigError, IncompleteStoreError
from clipvec.evaluate.compare import more_queries
from clipvec.evaluate.report.sentences import verdict
from clipvec.evaluate.results import Comparison
from clipvec.evaluate.stores import check_same_images, model_names, open_stores
from clipvec.store import REPLACED, Rows
from tests.evaluate.stores import opened, random_vectors, store_of
from tests.stores import delete

PLAN = pa.schema(
    [("name", pa.binary()), ("size", pa.int64()), ("version", pa.string()), ("detail", pa.string())]
    + [(name, pa.int64()) for name in REPLACED]
)


def answers(queries: int, gain: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which queries two models answer right: the same hard ones, but for a few."""
    rng = np.random.default_rng(seed)
    hard = rng.random(queries)
    noise = rng.normal(size=(2, queries)) * 0.05
    return hard + noise[0] < 0.5, hard + noise[1] < 0.5 + gain


def test_stores_of_one_model_are_called_by_their_places(tmp_path: Path) -> None:
    a, b = (store_of(tmp_path / n, random_vectors(3), [None] * 3) for n in "ab")
    assert model_names([a]) == ["toy"]
    assert model_names([a, b]) == [a.store.url, b.store.url]


def test_pairs_show_what_two_intervals_do_not() -> None:
    a, b = answers(2000, 0.03, 0)
    one, other = (confidence_interval(each.astype(float), 0) for each in (a, b))
    assert one.high > other.low
    found = difference_interval(b.astype(float) - a, 0)
    assert 0.01 < found.low < found.value < found.high < 0.05
    assert found.value == pytest.approx(other.value - one.value)


def test_the_interval_covers_the_true_difference() -> None:
    covered = 0
    for seed in range(300):
        a, b = answers(400, 0.03, seed)
        found = difference_interval(b.astype(float) - a, seed)
        covered += found.low <= 0.03 <= found.high
    assert covered >= 0.95 * 300


def test_as_many_queries_as_are_said_to_show_a_point() -> None:
    a, b = answers(1000, 0.0, 0)
    total = 1000 + more_queries(b.astype(float) - a)
    assert 2_000 < total < 30_000
    shown = 0
    for seed in range(100):
        a, b = answers(total, 0.01, seed)
        shown += difference_interval(b.astype(float) - a, seed).low > 0
    assert 0.7 < shown / 100 < 0.95
    assert more_queries(np.zeros(100_000)) == 0


def test_as_many_queries_for_models_that_rarely_differ() -> None:
    assert more_queries(np.zeros(300)) + 300 == more_queries(np.zeros(349)) + 349 >= 776
    total, shown = 300 + more_queries(np.zeros(300)), 0
    for seed in range(100):
        gains = np.random.default_rng(seed).random(total) < 0.01
        shown += difference_interval(gains.astype(float), seed).low > 0
    assert shown / 100 > 0.7


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (Difference(0.031, 0.019, 0.043), "b beats a by 3.1 points (1.9 to 4.3)"),
        (Difference(-0.031, -0.043, -0.019), "a beats b by 3.1 points (1.9 to 4.3)"),
        (
            Difference(0.001, -0.009, 0.011),
            "no difference seen (\N{MINUS SIGN}0.9 to 1.1 points); 4,000 more captions would show "
            "one of 1 point",
        ),
    ],
)
def test_the_verdict(difference: Difference, said: str) -> None:
    assert verdict(Comparison("a", "b", "text_to_image", 1, difference, 500, 4000)) == said


def of_files(root: Path, vectors: np.ndarray, versions: Sequence[str]) -> Rows:
    """Return the rows of a store of a dataset that grows, whose files have some versions."""
    store = store_of(root, vectors, [None] * len(vectors)).store
    plan = {
        "name": [f"{n}.jpg".encode() for n in range(len(versions))],
        "size": [10] * len(versions),
        "version": [*versions],
        "detail": [None] * len(versions),
        **dict.fromkeys(REPLACED, [None] * len(versions)),
    }
    store.generations.add(0, 0, 2, len(versions), pa.table(plan, PLAN))
    return Rows.open(store.url)


def test_stores_of_another_state_of_a_dataset_are_not_compared(tmp_path: Path) -> None:
    vectors, versions = random_vectors(12), [f"etag {n}" for n in range(12)]
    one = of_files(tmp_path / "one", vectors, versions)
    check_same_images([one, of_files(tmp_path / "same", vectors, versions[::-1])], None)
    changed = of_files(tmp_path / "changed", vectors, ["another etag", *versions[1:]])
    with pytest.raises(
        ConfigError, match=r"made of dataset files 12 \(\w+\) and .* of 12 \(\w+\);"
    ):
        check_same_images([one, changed], None)


def test_an_unfinished_store_says_what_it_lacks(tmp_path: Path) -> None:
    rows = store_of(tmp_path, random_vectors(9), [None] * 9)
    part = Path(rows.store.url) / rows.parts[0].file
    part.unlink()
    named = ["model.name=toy", "dataset.name=toys", f"store.root={tmp_path}"]
    with pytest.raises(IncompleteStoreError) as told:
        open_stores(read_command("evaluate", named, EvaluateConfig))
    assert "it lacks 1 shard (0); shard 0 was committed, but " in str(told.value)
    assert part.name in str(told.value)


def test_stores_of_other_images_are_not_compared(tmp_path: Path) -> None:
    vectors, captions = random_vectors(12), [f"caption {n}" for n in range(12)]
    one = store_of(tmp_path / "one", vectors, captions)
    same = store_of(tmp_path / "same", random_vectors(12, 8), captions, weights="v" * 64)
    check_same_images([one, Rows(same.store, same.parts[::-1])], "stars")
    other = store_of(tmp_path / "other", vectors, ["another", *captions[1:]])
    with pytest.raises(ConfigError, match=r"12 images and .* 12 of other id or caption; models"):
        check_same_images([one, other], None)
    another = store_of(tmp_path / "another", vectors, captions, digest="e" * 64)
    with pytest.raises(ConfigError, match=r"of dataset digest d{12}… and .* of e{12}…; models"):
        check_same_images([one, another], None)
    delete(same.store, "3")
    with pytest.raises(ConfigError, match=r"12 images and .* 11; .* and delete the same rows"):
        check_same_images([one, Rows.open(opened(tmp_path / "same").url)], None)
