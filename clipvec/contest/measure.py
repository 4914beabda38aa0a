"""Recall and speed of one contender, setting by setting."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.contest.exam import right
from clipvec.contest.speed import LEAST_CALLS, STRETCH, concurrent, sequential
from clipvec.errors import ConfigError
from clipvec.exact import expected, interval
from clipvec.measures import Filtered, Quality, Setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from clipvec.config import MeasureConfig
    from clipvec.contest.contender import Contender
    from clipvec.contest.exam import Exam, Filter, Questions
    from clipvec.measures import Kind, Parameters, Speed

    Vectors = Callable[[np.ndarray], np.ndarray]

log = logging.getLogger(__name__)
_BATCH = 256
"""Queries that are searched at once where no time is taken."""


class Measurer:
    """Asks one contender the exam."""

    def __init__(
        self,
        contender: Contender,
        exam: Exam,
        options: MeasureConfig,
        seconds: float,
        vectors: Vectors,
    ) -> None:
        self._contender, self._exam, self._options = contender, exam, options
        self._seconds = seconds
        """Of one timing."""
        self._vectors = vectors
        """The store's vectors by row number."""

    def setting(self, parameters: Parameters) -> Setting:
        """Return how the contender does with ``parameters``."""
        self._contender.take(parameters)
        kinds = self._exam.questions.items()
        return Setting(
            parameters,
            [self._quality(kind, questions) for kind, questions in kinds],
            [speed for kind, questions in kinds for speed in self._speeds(kind, questions)],
            [result for filter_ in self._exam.filters for result in self._filtered(filter_)],
        )

    def _quality(self, kind: Kind, questions: Questions) -> Quality:
        """Return recall@k for each k, asking for k rows wherever the index would do less for it.

        HNSW examines at least k candidates: what it finds for 100 says nothing about 10.
        """
        found: dict[int, np.ndarray] = {}
        seed = self._options.seed
        recall, first, second = {}, {}, {}
        for k in sorted(self._options.ks, reverse=True):
            asked = questions.asked(k)
            depth = self._contender.depth(asked)
            if depth not in found:
                found[depth] = self._found(questions.vectors, asked)
            shares = right(questions, found[depth][:, :asked], k, self._vectors)
            recall[k] = interval(shares, seed)
            if len(shares) > 1:
                first[k], second[k] = expected(shares[::2], seed), interval(shares[1::2], seed)
        ordered = [dict(sorted(each.items())) for each in (recall, first, second)]
        return Quality(kind, ordered[0], len(questions), *ordered[1:])

    def _found(self, vectors: np.ndarray, k: int) -> np.ndarray:
        parts = (vectors[start : start + _BATCH] for start in range(0, len(vectors), _BATCH))
        return np.concatenate([self._contender.found(part, k) for part in parts])

    def _speeds(self, kind: Kind, questions: Questions) -> list[Speed]:
        options, contender = self._options, self._contender

        def ask(vectors: np.ndarray) -> object:
            return contender.ask(vectors, options.k)

        queries, seconds = questions.vectors, self._seconds
        return [
            sequential(ask, queries, 1, seconds, kind),
            sequential(ask, queries, options.batch, seconds, kind),
            concurrent(ask, queries, options.clients, seconds, kind, contender.enter_client),
        ]

    def _filtered(self, filter_: Filter) -> list[Filtered]:
        """Return recall and speed under a filter, single queries; none if the index has none."""
        try:
            ask = self._contender.under(filter_)
        except ConfigError as error:
            log.warning("%s", error)
            return []
        results = []
        for kind, questions in filter_.questions.items():
            asked = questions.asked(self._options.k)
            answers, seconds = _answers(ask, questions.vectors, asked, self._seconds)
            rows = np.concatenate([self._contender.rows(answer, asked) for answer in answers])
            shares = right(questions.head(len(rows)), rows, self._options.k, self._vectors)
            results.append(
                Filtered(
                    kind,
                    filter_.selectivity,
                    self._options.k,
                    interval(shares, self._options.seed),
                    len(rows) / seconds,
                    filter_.words,
                )
            )
        return results


def _answers(
    ask: Callable[[np.ndarray, int], Any], queries: np.ndarray, k: int, seconds: float
) -> tuple[list[Any], float]:
    """Return the answers to as many single queries as fit into the time, and the time taken."""
    ask(queries[:1], k)
    answers: list[Any] = []
    started = now = time.perf_counter()
    for number in range(len(queries)):
        late = seconds if number >= LEAST_CALLS else seconds * STRETCH
        if answers and now - started > late:
            break
        answers.append(ask(queries[number : number + 1], k))
        now = time.perf_counter()
    return answers, now - started
