"""Intervals have their nominal coverage, even if nearly every query has recall 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from clipvec.bootstrap import (
    balanced_interval,
    confidence_interval,
    median_limits,
    prediction_interval,
)

SEEDS = 400


def some_hard(rng: np.random.Generator, queries: int) -> np.ndarray:
    """Recall@10 with some hard queries, distributed as in practice: mean 0.9."""
    return rng.binomial(10, rng.beta(9, 1, queries)) / 10


def few_hard(rng: np.random.Generator, queries: int) -> np.ndarray:
    """Recall@10 that is 1 except for a few queries, as with a large efSearch: mean 0.995."""
    return rng.binomial(10, rng.beta(1.99, 0.01, queries)) / 10


def right_or_wrong(rng: np.random.Generator, queries: int) -> np.ndarray:
    """Recall@1 with mean 0.99."""
    return rng.binomial(1, 0.99, queries) / 1


POPULATIONS = [
    pytest.param(draw, true, queries, id=f"{draw.__name__}-{queries}")
    for draw, true in ((some_hard, 0.9), (few_hard, 0.995), (right_or_wrong, 0.99))
    for queries in (100, 500, 1000)
]
Draw = Callable[[np.random.Generator, int], np.ndarray]


def test_the_mean_and_an_interval_around_it() -> None:
    found = confidence_interval(np.array([1.0, 0.5, 0.0, 0.5]), 0)
    assert found.value == 0.5
    assert 0.0 <= found.low < 0.5 < found.high <= 1.0
    assert found == confidence_interval(np.array([1.0, 0.5, 0.0, 0.5]), 0)


def test_recall_at_1_has_the_interval_of_clopper_and_pearson() -> None:
    found = confidence_interval(np.repeat([1.0, 0.0], [95, 5]), 0)
    assert (found.low, found.high) == pytest.approx((0.8872, 0.9836), abs=0.004)


def test_a_few_perfect_queries_prove_little() -> None:
    few, many = confidence_interval(np.ones(50), 0), confidence_interval(np.ones(5000), 0)
    assert (few.value, few.high, many.high) == (1.0, 1.0, 1.0)
    assert few.low == pytest.approx(0.025 ** (1 / 50), abs=0.005)
    assert many.low == pytest.approx(0.025 ** (1 / 5000), abs=0.0005)
    assert prediction_interval(np.ones(50), 0).low < few.low


@pytest.mark.parametrize(("draw", "true", "queries"), POPULATIONS)
def test_the_interval_covers_the_true_recall(draw: Draw, true: float, queries: int) -> None:
    covered = 0
    for seed in range(SEEDS):
        found = confidence_interval(draw(np.random.default_rng(seed), queries), seed)
        covered += found.low <= true <= found.high
    assert covered >= 0.95 * SEEDS


@pytest.mark.parametrize(("draw", "true", "queries"), POPULATIONS)
def test_the_prediction_interval_covers_other_queries(
    draw: Draw, true: float, queries: int
) -> None:
    covered = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        found, other = prediction_interval(draw(rng, queries), seed), draw(rng, queries).mean()
        covered += found.low - 1e-9 <= other <= found.high + 1e-9
    assert covered >= 0.95 * SEEDS


def test_no_wider_than_needed() -> None:
    values = some_hard(np.random.default_rng(0), 1000)
    normal = 2 * 1.96 * values.std() / np.sqrt(1000)
    found = confidence_interval(values, 0)
    assert normal < found.high - found.low < 1.15 * normal


def test_limits_of_a_median_are_those_of_the_sign_test() -> None:
    ranks = np.arange(1.0, 101.0)
    low, high = median_limits(np.random.default_rng(1).permutation(ranks), 0)
    assert (low, high) == pytest.approx((40, 61), abs=1)
    assert median_limits(np.array([3.0]), 0) == (3.0, 3.0)


def test_the_limits_cover_the_median() -> None:
    covered = 0
    for seed in range(SEEDS):
        low, high = median_limits(np.random.default_rng(seed).geometric(0.05, 150), seed)
        covered += low <= 14 <= high
    assert covered >= 0.95 * SEEDS


def test_the_balanced_interval_covers_the_mean_of_groups() -> None:
    true = np.array([0.9, 0.5, 0.2])
    covered = 0
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        groups = np.repeat([0, 1, 2], [400, 60, 20])
        found = balanced_interval(rng.random(len(groups)) < true[groups], groups, seed)
        covered += found.low <= true.mean() <= found.high
    assert covered >= 0.94 * SEEDS
    covered = 0
    for seed in range(SEEDS):  # 80 groups of one query, and one of 40
        rng = np.random.default_rng(seed)
        groups = np.concatenate([np.arange(80), np.full(40, 80)])
        found = balanced_interval(rng.random(len(groups)) < 0.6, groups, seed)
        covered += found.low <= 0.6 <= found.high
    assert covered >= 0.94 * SEEDS
    alone = balanced_interval(np.array([True, True, False]), np.array([0, 0, 2]), 0)
    assert alone.value == 0.5
