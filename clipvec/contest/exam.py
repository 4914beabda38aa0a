"""What every contestant is asked, and the right answers, by row numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from clipvec import paths
from clipvec.measures import Kind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIE = 2e-5
"""Scores that differ by less are equal. Rounded to float16, unit vectors are 1 long to within 2e-5,
by which Chroma's cosine and FAISS's inner product differ. The 1e-3 that ann-benchmarks allows would
take in whole ranks here: the scores of a text's hundred neighbours lie as close as that."""
_BLOCK = 20_000
"""Vectors of the store that are held at once."""
_PARTS = ("vectors", "own", "rows", "scores")


@dataclass(frozen=True)
class Questions:
    """Queries of one kind with their exact neighbours."""

    vectors: np.ndarray
    """float32 [Q, D], unit length."""
    own: np.ndarray
    """int64 [Q]: the row that the query is; -1: none."""
    rows: np.ndarray
    """int64 [Q, K]: exact neighbours, best first, without the own row."""
    scores: np.ndarray
    """float32 [Q, K]: their inner products."""

    def __len__(self) -> int:
        return len(self.vectors)

    def head(self, count: int) -> Questions:
        """Return the first ``count`` questions."""
        return Questions(*(getattr(self, part)[:count] for part in _PARTS))

    def asked(self, k: int) -> int:
        """Return how many rows to ask for, so that ``k`` are left without the own one."""
        return k + bool((self.own >= 0).any())


@dataclass(frozen=True)
class Filter:
    """A metadata filter and the questions under it."""

    words: str
    """Such as ``stars < 3``."""
    where: dict[str, Any]
    """In Chroma's form."""
    selectivity: float
    """Share of the rows that it admits."""
    bits: np.ndarray
    """uint8: a bit for each row, the lowest first, set where it is admitted."""
    questions: dict[Kind, Questions] = field(default_factory=dict)


@dataclass(frozen=True)
class Exam:
    """All questions."""

    questions: dict[Kind, Questions]
    filters: list[Filter]

    def save(self, folder: Path) -> None:
        """Write the exam, for the processes of the contestants."""
        arrays = _flat("", self.questions)
        for i, filter_ in enumerate(self.filters):
            arrays |= {f"{i}.bits": filter_.bits} | _flat(f"{i}.", filter_.questions)
        np.savez(paths.exam_arrays(folder), **cast("dict[str, Any]", arrays))
        about = [
            {"words": f.words, "where": f.where, "selectivity": f.selectivity} for f in self.filters
        ]
        paths.exam_filters(folder).write_text(json.dumps(about), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Exam:
        """Return what `save` wrote."""
        about = json.loads(paths.exam_filters(folder).read_text(encoding="utf-8"))
        with np.load(paths.exam_arrays(folder)) as file:
            arrays = dict(file)
        filters = [
            Filter(**values, bits=arrays[f"{i}.bits"], questions=_nested(f"{i}.", arrays))
            for i, values in enumerate(about)
        ]
        return cls(_nested("", arrays), filters)


def right(
    questions: Questions, found: np.ndarray, k: int, vectors: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return for each query the share of its ``k`` neighbours that were found.

    A row counts when its exact score reaches that of the k-th neighbour, so that equal pictures
    stand in for each other (as in ann-benchmarks). Scores come from the truth; those of rows that
    the truth does not hold are computed from the store, and only where the truth ends at a score
    that such a row could reach: elsewhere it is wrong whatever its score.

    Args:
        questions: Q queries, K >= k.
        found: int64 [Q, n], row numbers, best first, -1 for none.
        k: as in recall@k.
        vectors: the store's vectors, float32 [N, D], of ascending row numbers.

    Returns:
        float64 [Q].
    """
    first = without_own(found, questions.own)[:, :k]
    least = lowest(questions.scores[:, k - 1])[:, None]
    scores = np.full(first.shape, -np.inf, np.float32)
    for i, row in enumerate(first):
        _, at, there = np.intersect1d(row, questions.rows[i], return_indices=True)
        scores[i, at] = questions.scores[i, there]
    could = np.isneginf(scores) & (first >= 0) & (questions.scores[:, -1:] >= least)
    if could.any():
        _score(scores, could, first, questions, vectors)
    shares: np.ndarray = (scores >= least).sum(axis=1) / k
    return shares


def _score(
    scores: np.ndarray,
    could: np.ndarray,
    found: np.ndarray,
    questions: Questions,
    vectors: Callable[[np.ndarray], np.ndarray],
) -> None:
    """Fill in the exact ``scores`` of the rows ``found`` where they ``could`` be right."""
    rows = np.unique(found[could])
    for block in np.array_split(rows, -(-len(rows) // _BLOCK)):
        there = vectors(block)
        for i in np.flatnonzero(could.any(axis=1)):
            at = np.flatnonzero(could[i] & np.isin(found[i], block))
            scores[i, at] = there[np.searchsorted(block, found[i, at])] @ questions.vectors[i]


def lowest(scores: np.ndarray) -> np.ndarray:
    """Return the lowest score that counts as equal to each of ``scores``."""
    least: np.ndarray = scores - TIE
    return least


def without_own(found: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return rows found, int64 [Q, n], the query's own moved behind the others as a -1."""
    mine = found == own[:, None]
    order = np.argsort(mine, axis=1, kind="stable")
    return np.take_along_axis(np.where(mine, -1, found), order, axis=1)


def _flat(prefix: str, questions: dict[Kind, Questions]) -> dict[str, np.ndarray]:
    return {
        f"{prefix}{kind}.{part}": getattr(asked, part)
        for kind, asked in questions.items()
        for part in _PARTS
    }


def _nested(prefix: str, arrays: dict[str, np.ndarray]) -> dict[Kind, Questions]:
    return {
        kind: Questions(*(arrays[f"{prefix}{kind}.{part}"] for part in _PARTS))
        for kind in get_args(Kind)
        if f"{prefix}{kind}.rows" in arrays
    }
