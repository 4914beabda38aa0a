"""Recall and speed of one contender, setting by setting."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from clipvec.errors import ConfigError
from clipvec.recall.bootstrap import expected, interval
from clipvec.recall.recall_at_k import right
from clipvec.recall.results import Filtered, Kind, Mode, Quality, Setting
from clipvec.recall.timing import LEAST_CALLS, ROUNDS, Rounds, calls, concurrent, cycled, sequential

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clipvec.config import MeasureConfig
    from clipvec.recall.results import Parameters
    from clipvec.recall.systems.base import Contender
    from clipvec.recall.workload import Exam, Filter, Questions

    Vectors = Callable[[np.ndarray], np.ndarray]

log = logging.getLogger(__name__)
_BATCH = 256
"""Queries that are searched at once where no time is taken."""
_Way: TypeAlias = tuple[Kind, Mode, int]


@dataclass
class _Search:
    """Search under one filter by one kind of query."""

    rounds: Rounds = field(default_factory=Rounds)
    answers: list[Any] = field(default_factory=list)
    """To the first queries, one each."""


@dataclass
class _Entry:
    """One setting, as far as it is measured."""

    parameters: Parameters
    quality: list[Quality] = field(default_factory=list)
    speed: dict[_Way, Rounds] = field(default_factory=lambda: defaultdict(Rounds))
    filtered: dict[tuple[int, Kind], _Search] = field(default_factory=lambda: defaultdict(_Search))
    """By the place of the filter."""


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
        self._seconds = seconds / ROUNDS
        """Of one round of a timing."""
        self._vectors = vectors
        """The store's vectors by row number."""

    def settings(self, parameters: Iterable[Parameters], done: Callable[[], None]) -> list[Setting]:
        """Return how the contender does with each of ``parameters``; ``done`` is called in between.

        Settings take turns: what slows the machine down for some seconds is a round of all that
        are measured then, and not all of one of them.
        """
        entries = [_Entry(values) for values in parameters]
        taken: _Entry | None = None
        for turn in range(ROUNDS):
            # To and fro: Chroma loads the graph for each setting anew, but not for the last again.
            for entry in entries[:: 1 if turn % 2 == 0 else -1]:
                if entry is not taken:
                    self._contender.take(entry.parameters)
                    taken = entry
                if turn == 0:
                    kinds = self._exam.questions.items()
                    entry.quality = [self._quality(kind, asked) for kind, asked in kinds]
                self._round(entry, turn)
                done()
        return [self._setting(entry) for entry in entries]

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

    def _round(self, entry: _Entry, turn: int) -> None:
        """Add a round to every timing of a setting."""
        options, contender, seconds = self._options, self._contender, self._seconds

        def ask(vectors: np.ndarray) -> object:
            return contender.ask(vectors, options.k)

        for kind, questions in self._exam.questions.items():
            queries = np.roll(questions.vectors, -turn * len(questions) // ROUNDS, axis=0)
            single = entry.speed[kind, "single", 1]
            sequential(ask, queries, 1, seconds, single)
            batch = entry.speed[kind, "batch", options.batch]
            sequential(ask, queries, options.batch, seconds, batch)
            clients = entry.speed[kind, "clients", options.clients]
            concurrent(ask, queries, options.clients, seconds, clients, contender.enter_client)
        for place, filter_ in enumerate(self._exam.filters):
            self._search(entry, place, filter_, turn)

    def _search(self, entry: _Entry, place: int, filter_: Filter, turn: int) -> None:
        """Add a round of single queries under a filter; none if the index knows no filters."""
        try:
            ask = self._contender.under(filter_)
        except ConfigError as error:
            if turn == 0:
                log.warning("%s", error)
            return
        for kind, questions in filter_.questions.items():
            k = questions.asked(self._options.k)
            search = entry.filtered[place, kind]
            _search_round(ask, questions.vectors, k, self._seconds, search)

    def _setting(self, entry: _Entry) -> Setting:
        speed = [rounds.speed(*way) for way, rounds in entry.speed.items()]
        filtered = [
            self._filtered(self._exam.filters[place], kind, search)
            for (place, kind), search in entry.filtered.items()
        ]
        return Setting(entry.parameters, entry.quality, speed, filtered)

    def _filtered(self, filter_: Filter, kind: Kind, search: _Search) -> Filtered:
        """Return recall and speed under a filter."""
        options, questions = self._options, filter_.questions[kind]
        k = questions.asked(options.k)
        rows = np.concatenate([self._contender.rows(answer, k) for answer in search.answers])
        shares = right(questions.head(len(rows)), rows, options.k, self._vectors)
        qps, low, high = search.rounds.spread()
        return Filtered(
            kind=kind,
            filter=filter_.words,
            selectivity=filter_.selectivity,
            k=options.k,
            queries=len(rows),
            recall=interval(shares, options.seed),
            qps=qps,
            qps_low=low,
            qps_high=high,
        )


def _search_round(
    ask: Callable[[np.ndarray, int], Any],
    queries: np.ndarray,
    k: int,
    seconds: float,
    search: _Search,
) -> None:
    """Add a round of single queries, from the first on that has no answer yet."""

    def one(query: np.ndarray) -> None:
        answer = ask(query, k)
        if len(search.answers) < len(queries):
            search.answers.append(answer)

    first = len(search.answers) % len(queries)
    ask(queries[first : first + 1], k)
    taken = calls(one, cycled(queries, 1, first), seconds, LEAST_CALLS)
    search.rounds.add(len(taken), sum(taken), taken)
