"""What every contestant is asked, and the right answers, by row numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast, get_args

import numpy as np

from clipvec import paths
from clipvec.recall.results import Kind

if TYPE_CHECKING:
    from pathlib import Path

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
