"""From queries and their exact neighbours to the exam."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, get_args

import numpy as np

from clipvec import paths
from clipvec.errors import ConfigError
from clipvec.recall import filters
from clipvec.recall.results import Kind
from clipvec.recall.workload import Exam, Questions
from clipvec.store import Numbers

if TYPE_CHECKING:
    from pathlib import Path

    from clipvec.config import MeasureConfig
    from clipvec.store import Rows


_SPARE = 28
"""Neighbours beyond the largest k that the truth should hold, to tell wrong rows from ties without
reading them from the store."""


def depth(options: MeasureConfig, rows: int) -> int:
    """Return how many exact neighbours of each query a contest wants.

    Args:
        options: how to measure.
        rows: that may be neighbours of a query.
    """
    k = max(*options.ks, options.k)
    return max(k, min(k + _SPARE, rows))


def prepare(rows: Rows, truth: Path, options: MeasureConfig, folder: Path) -> Exam:
    """Write the exam and the row numbers into ``folder``, and return the exam.

    Raises:
        ConfigError: the truth holds fewer neighbours than a k asks for, or other rows.
        StoreError: the store cannot be read.
    """
    numbers = Numbers.read(rows)
    folder.mkdir(parents=True, exist_ok=True)
    numbers.save(paths.row_numbers(folder))
    questions = {
        kind: _questions(truth, kind, numbers, max(*options.ks, options.k))
        for kind in get_args(Kind)
        if paths.queries_file(truth, kind).is_file()
    }
    few = {kind: asked.head(options.filtered_queries) for kind, asked in questions.items()}
    chosen = filters.choose(rows, options.selectivities, options.k) if options.selectivities else []
    exam = Exam(questions, filters.answer(rows, chosen, few, options.k) if chosen else [])
    exam.save(folder)
    return exam


def _questions(truth: Path, kind: Kind, numbers: Numbers, k: int) -> Questions:
    with np.load(paths.queries_file(truth, kind)) as file:
        vectors, own = file["vectors"], file["own"]
    with np.load(paths.truth_file(truth, kind)) as file:
        ids, scores = file["ids"], file["scores"]
    if ids.shape[1] < k:
        raise ConfigError(
            f"measure.ks and measure.k go up to {k}, {paths.truth_file(truth, kind)} holds "
            f"{ids.shape[1]} neighbours of each query; choose smaller ones"
        )
    rows = numbers.find(ids.ravel().tolist()).reshape(ids.shape)
    if (rows < 0).any():
        raise ConfigError(f"{paths.truth_file(truth, kind)} is of another store; remove it")
    return Questions(
        np.ascontiguousarray(vectors, np.float32),
        np.where(own == "", -1, numbers.find(cast("list[str]", own.tolist()))),
        rows,
        scores.astype(np.float32),
    )
