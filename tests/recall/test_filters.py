from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from clipvec.index.filters import Comparison
from clipvec.recall import filters
from clipvec.recall.results import Kind
from clipvec.recall.workload import QuerySet
from clipvec.store.rows import Rows
from tests.recall.conftest import DIM, ROWS, Ground
from tests.stores import make_store


def test_filters_have_the_requested_selectivities(ground: Ground) -> None:
    chosen = filters.choose(ground.rows, [0.01, 0.1, 0.5], 10)
    assert [f.condition for f in chosen] == [
        # of 1,500 + 500 images, width counts up from 100 in each shard
        Comparison("width", "<", 110),
        Comparison("width", "<", 200),
        Comparison("category", "=", "bird"),
    ]
    assert [f.selectivity for f in chosen] == [0.01, 0.1, 0.5]


def test_filters_that_leave_too_few_rows_are_left_out(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    chosen = filters.choose(ground.rows, [0.01, 0.5], 20)
    assert [str(f.condition) for f in chosen] == ["category = bird"]
    assert caplog.messages == [
        "no filtered search at a selectivity of 0.01: width < 110 admits 20 rows, too few to miss "
        "one of 20 neighbours"
    ]


def test_row_positions_stand_in_for_attributes(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "_MOST_VALUES", 1)
    chosen = filters.choose(ground.rows, [0.1, 0.5], 10)
    # parts of 1,200, 300 and 500 rows
    assert [(str(f.condition), f.selectivity) for f in chosen] == [
        ("_row < 67", 0.1005),
        ("_row < 350", 0.5),
    ]


def test_masks_match_numpy(ground: Ground) -> None:
    rows, matrix = ground.rows, ground.matrix
    queries = matrix[[3, 40, 1999]]
    asked: dict[Kind, QuerySet] = {"image": QuerySet(queries, np.array([3, 40, 1999]), "rows")}
    chosen = filters.choose(rows, [0.1, 0.5], 10)
    places = np.r_[np.arange(1500), np.arange(500)]
    admits = [100 + places < 200, places % 2 == 0]
    for filter_, admitted in zip(filters.answer(rows, chosen, asked, 10), admits, strict=True):
        bits = np.unpackbits(filter_.bits, bitorder="little")[:ROWS].astype(bool)
        np.testing.assert_equal(bits, admitted)
        scores = np.where(admitted, queries @ matrix.T, -np.inf)
        scores[range(3), [3, 40, 1999]] = -np.inf
        best = np.argsort(-scores, axis=1)[:, :32]
        found = filter_.query_sets["image"]
        np.testing.assert_equal(found.rows, best)
        np.testing.assert_allclose(found.scores, np.take_along_axis(scores, best, 1), atol=1e-6)


def test_missing_values_are_not_admitted(tmp_path: Path) -> None:
    rows = Rows.open(make_store(tmp_path, {0: [50]}, dim=DIM).url)
    (chosen,) = filters.choose(rows, [0.4], 10)
    assert (str(chosen.condition), chosen.selectivity) == ("stars < 2", 0.4)
    (answered,) = filters.answer(rows, [chosen], {}, 10)
    numbers = np.flatnonzero(np.unpackbits(answered.bits, bitorder="little")[:50])
    assert numbers.tolist() == [n for n in range(50) if n % 5 and n % 4 < 2]
