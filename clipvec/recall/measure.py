"""Recall and speed of one system, setting by setting."""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.bootstrap import confidence_interval, prediction_interval
from clipvec.errors import ConfigError
from clipvec.recall.recall_at_k import recall_at_k
from clipvec.recall.results import FilteredResult, Kind, RecallResult, SearchSetting
from clipvec.recall.timing import LEAST_CALLS, ROUNDS, Rounds, calls, concurrent, cycled, sequential

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clipvec.config import MeasureConfig
    from clipvec.recall.recall_at_k import Ties
    from clipvec.recall.results import Parameters
    from clipvec.recall.systems.base import SearchSystem
    from clipvec.recall.workload import Filter, QuerySet, Workload

log = logging.getLogger(__name__)
_BATCH = 256
"""Queries that are searched at once where no time is taken."""


@dataclass
class _FilteredSearch:
    """Search under one filter by one kind of query."""

    rounds: Rounds = field(default_factory=Rounds)
    answers: list[Any] = field(default_factory=list)
    """To the first queries, one each."""


@dataclass
class _Entry:
    """One setting, as far as it is measured."""

    parameters: Parameters
    recall: list[RecallResult] = field(default_factory=list)
    latency: dict[tuple[Kind, int, int], Rounds] = field(
        default_factory=lambda: defaultdict(Rounds)
    )
    """By kind of query, batch size and concurrency."""
    filtered: dict[tuple[int, Kind], _FilteredSearch] = field(
        default_factory=lambda: defaultdict(_FilteredSearch)
    )
    """By the position of the filter and the kind of query."""


class Measurer:
    """Puts the workload to one system."""

    def __init__(
        self,
        system: SearchSystem,
        workload: Workload,
        options: MeasureConfig,
        seconds: float,
        ties: Ties,
    ) -> None:
        self._system, self._workload, self._options = system, workload, options
        self._seconds = seconds / ROUNDS
        """Of one round of a timing."""
        self._ties = ties

    def measure(
        self, settings: Iterable[Parameters], done: Callable[[], None]
    ) -> list[SearchSetting]:
        """Return how the system does with each of ``settings``; ``done`` is called in between.

        Settings take turns: what slows the machine down for some seconds is a round of all that
        are measured then, and not all of one of them.
        """
        entries = [_Entry(parameters) for parameters in settings]
        current: _Entry | None = None
        for turn in range(ROUNDS):
            # Back and forth: Chroma reloads the graph for another setting, not for the same again.
            for entry in entries[:: 1 if turn % 2 == 0 else -1]:
                if entry is not current:
                    self._system.set_search_params(entry.parameters)
                    current = entry
                if turn == 0:
                    query_sets = self._workload.query_sets.items()
                    entry.recall = [self._recall(kind, queries) for kind, queries in query_sets]
                self._round(entry, turn)
                done()
        return [self._setting(entry) for entry in entries]

    def _recall(self, kind: Kind, queries: QuerySet) -> RecallResult:
        """Return recall@k for each k, asking for k rows wherever the index would do less for it.

        HNSW examines at least k candidates: what it finds for 100 says nothing about 10.
        """
        found: dict[int, np.ndarray] = {}
        seed = self._options.seed
        recall, selection, validation = {}, {}, {}
        for k in sorted(self._options.recall_at, reverse=True):
            count = queries.request(k)
            examined = self._system.candidates_examined(count)
            if examined not in found:
                found[examined] = self._search(queries.vectors, count)
            shares = recall_at_k(queries, found[examined][:, :count], k, self._ties)
            recall[k] = confidence_interval(shares, seed)
            if len(shares) > 1:
                selection[k] = prediction_interval(shares[::2], seed)
                validation[k] = confidence_interval(shares[1::2], seed)
        ordered = [dict(sorted(each.items())) for each in (recall, selection, validation)]
        return RecallResult(kind, ordered[0], len(queries), *ordered[1:])

    def _search(self, vectors: np.ndarray, k: int) -> np.ndarray:
        parts = (vectors[start : start + _BATCH] for start in range(0, len(vectors), _BATCH))
        return np.concatenate([self._system.search_ids(part, k) for part in parts])

    def _round(self, entry: _Entry, turn: int) -> None:
        """Add a round to every timing of a setting."""
        options, system, seconds = self._options, self._system, self._seconds

        def query(vectors: np.ndarray) -> object:
            return system.query(vectors, options.k)

        for kind, query_set in self._workload.query_sets.items():
            queries = np.roll(query_set.vectors, -turn * len(query_set) // ROUNDS, axis=0)
            for size in (1, options.batch_size):
                sequential(query, queries, size, seconds, entry.latency[kind, size, 1])
            clients = options.concurrency
            rounds = entry.latency[kind, 1, clients]
            concurrent(query, queries, clients, seconds, rounds, system.start_client_thread)
        for position, filter_ in enumerate(self._workload.filters):
            self._filtered_round(entry, position, filter_, turn)

    def _filtered_round(self, entry: _Entry, position: int, filter_: Filter, turn: int) -> None:
        """Add a round of single queries under a filter; none if the system knows no filters."""
        try:
            query = self._system.with_filter(filter_)
        except ConfigError as error:
            if turn == 0:
                log.warning("%s", error)
            return
        for kind, queries in filter_.query_sets.items():
            k = queries.request(self._options.k)
            search = entry.filtered[position, kind]
            _search_round(query, queries.vectors, k, self._seconds, search)

    def _setting(self, entry: _Entry) -> SearchSetting:
        latency = [rounds.result(*mode) for mode, rounds in entry.latency.items()]
        filtered = [
            self._filtered(self._workload.filters[position], kind, search)
            for (position, kind), search in entry.filtered.items()
        ]
        return SearchSetting(entry.parameters, entry.recall, latency, filtered)

    def _filtered(self, filter_: Filter, kind: Kind, search: _FilteredSearch) -> FilteredResult:
        """Return recall and speed under a filter."""
        options, queries = self._options, filter_.query_sets[kind]
        k = queries.request(options.k)
        rows = np.concatenate([self._system.to_row_numbers(a, k) for a in search.answers])
        shares = recall_at_k(queries.head(len(rows)), rows, options.k, self._ties)
        qps, low, high = search.rounds.spread()
        return FilteredResult(
            kind=kind,
            filter=str(filter_.condition),
            selectivity=filter_.selectivity,
            k=options.k,
            queries=len(rows),
            recall=confidence_interval(shares, options.seed),
            qps=qps,
            qps_low=low,
            qps_high=high,
        )


def _search_round(
    query: Callable[[np.ndarray, int], Any],
    queries: np.ndarray,
    k: int,
    seconds: float,
    search: _FilteredSearch,
) -> None:
    """Add a round of single queries, from the first that has no answer yet."""

    def one(vector: np.ndarray) -> None:
        answer = query(vector, k)
        if len(search.answers) < len(queries):
            search.answers.append(answer)

    first = len(search.answers) % len(queries)
    query(queries[first : first + 1], k)
    taken = calls(one, cycled(queries, 1, first), seconds, LEAST_CALLS)
    search.rounds.add(len(taken), sum(taken), taken)
