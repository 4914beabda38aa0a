"""Filters, and queries over HTTP: the index on disk beside Chroma's, over one synthetic store.

    python -m benchmarks.index_filters [--rows 200000] [--dim 512] [--seconds 10] [--work FOLDER]

Text queries under filters that admit fewer and fewer rows: recall@10 against a comparison of all
rows, p50 and p95 of lone queries on one thread, as the service searches; the backends take turns.
Then the same over HTTP without a filter, by vector, one client. Each time is measured for so many
seconds. ``--work`` is that of `benchmarks.faiss_index`: what that has built is used, with the
search settings that it has set. Prints a table for docs/scale.md.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.faiss_index import SYSTEMS, build, synthetic_store
from benchmarks.result import machine
from benchmarks.serve_load import Body, load
from benchmarks.serve_ratio import free_port, running
from clipvec.config import ChromaConfig, FaissConfig
from clipvec.index import VectorIndex, open_index
from clipvec.index.filters import Comparison
from clipvec.recall import filters
from clipvec.recall.queries import drawn_texts
from clipvec.recall.recall_at_k import Ties, recall_at_k
from clipvec.recall.workload import Filter, QuerySet
from clipvec.store import Rows

SHARES = (0.5, 0.1, 0.01, 0.001)
"""Of the rows, by an attribute that is uniform in 0 to 999."""
LEAST = 0.00001
"""By names of rows."""
K, QUERIES, SEED = 10, 200, 1
_TURNS, _CALLS = 2, 20
"""Turns of each backend, and calls in each at least."""
CONFIGS = {"faiss": FaissConfig, "chroma": ChromaConfig}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--work")
    args = parser.parse_args()
    faiss.omp_set_num_threads(1)
    with synthetic_store(args.work, args.rows, args.dim) as (work, store):
        for kind in SYSTEMS:
            build(work, kind, store, args.rows)
        rows = Rows.open(f"{work}/data/store/synthetic/synthetic")
        lines = {}
        with threadpool_limits(1), contextlib.ExitStack() as stack:
            indexes = {
                kind: stack.enter_context(open_index(CONFIGS[kind](path=str(work / kind))))
                for kind in SYSTEMS
            }
            settings = {kind: dict(index.settings) for kind, index in indexes.items()}
            for asked in questions(rows, indexes["faiss"]):
                name = f"{asked.selectivity * 100:.3g} % ({round(asked.selectivity * len(rows)):,})"
                lines[name] = answers(rows, indexes, asked, args.seconds)
        texts = drawn_texts(rows, QUERIES, SEED).vectors
        lines["over HTTP, all rows"] = over_http(work, texts, args.seconds)
    print(f"\n{args.rows:,} x {args.dim}; {settings}; {machine()}; load {os.getloadavg()[0]:.1f}\n")
    heads = [f"`{kind}`: {what}" for kind in SYSTEMS for what in (f"recall@{K}", "p50", "p95")]
    print(f"| rows that a filter admits | {' | '.join(heads)} |")
    print(f"| --- |{' --- |' * len(heads)}")
    for name, cells in lines.items():
        print(f"| {name} | {' | '.join(cells)} |")


def questions(rows: Rows, index: VectorIndex) -> list[Filter]:
    """Return filters, with the rows that they admit and the neighbours among these."""
    conditions = [Comparison("bucket", "<", round(share * 1000)) for share in SHARES]
    rng = np.random.default_rng(SEED)
    few = rng.choice(len(rows), max(1, round(LEAST * len(rows))), replace=False)
    hits = index.get([f"{number:010d}" for number in few])
    conditions.append(Comparison("uri", "in", tuple(hit.uri for hit in hits.values())))
    empty = np.zeros(0, np.uint8)
    queries = {"text": drawn_texts(rows, QUERIES, SEED)}
    answered = filters.answer(rows, [Filter(c, 0.0, empty) for c in conditions], queries, K)
    shares = [int(np.bitwise_count(each.bits).sum()) / len(rows) for each in answered]
    return [
        Filter(each.condition, share, each.bits, each.query_sets)
        for each, share in zip(answered, shares, strict=True)
    ]


def answers(
    rows: Rows, indexes: dict[str, VectorIndex], asked: Filter, seconds: float
) -> list[str]:
    """Return recall, p50 and p95 of each index under a filter."""
    queries = asked.query_sets["text"]
    times: dict[str, list[float]] = {kind: [] for kind in indexes}
    for _, (kind, index) in itertools.product(range(_TURNS), indexes.items()):
        times[kind] += timed(index, queries, asked.condition, seconds / _TURNS)
    return [
        cell
        for kind, index in indexes.items()
        for cell in (f"{recall(rows, index, asked, queries):.3f}", *percentiles(times[kind]))
    ]


def recall(rows: Rows, index: VectorIndex, asked: Filter, queries: QuerySet) -> float:
    """Return the mean recall of the queries."""
    k = min(K, round(asked.selectivity * len(rows)))
    found = np.full((len(queries), k), -1, np.int64)
    for row, vector in zip(found, queries.vectors, strict=True):
        ids = [int(hit.id) for hit in index.query(vector, k, asked.condition)]
        row[: len(ids)] = ids  # of synthetic rows they are numbers
    return float(recall_at_k(queries, found, k, Ties.of(rows)).mean())


def timed(index: VectorIndex, queries: QuerySet, where: Comparison, seconds: float) -> list[float]:
    """Return milliseconds of one query after the other."""
    index.query(queries.vectors[0], K, where)
    times: list[float] = []
    ends = time.perf_counter() + seconds
    for vector in itertools.cycle(queries.vectors):
        started = time.perf_counter()
        if started >= ends and len(times) >= _CALLS:
            break
        index.query(vector, K, where)
        times.append((time.perf_counter() - started) * 1e3)
    return times


def over_http(work: Path, texts: np.ndarray, seconds: float) -> list[str]:
    """Return no recall, p50 and p95 of the service of each index."""

    def bodies() -> Iterator[Body]:
        for vector in itertools.cycle(texts):
            yield {"terms": [{"vector": vector.tolist()}], "k": K}

    times: dict[str, list[float]] = {kind: [] for kind in SYSTEMS}
    with contextlib.ExitStack() as stack:
        urls = {kind: stack.enter_context(served(work, kind)) for kind in SYSTEMS}
        for _, (kind, url) in itertools.product(range(_TURNS), urls.items()):
            times[kind] += load(url, bodies, 1, seconds / _TURNS).latency.tolist()
    return [cell for found in times.values() for cell in ("", *percentiles(found))]


def served(work: Path, kind: str) -> contextlib.AbstractContextManager[str]:
    """Serve an index while a context lasts, and give the URL."""
    port = free_port()
    serve = f"index={kind} index.path={work / kind}"
    environment = {"CLIPVEC_SERVE": serve, "BENTOML_DO_NOT_TRACK": "True"}
    bento = [Path(sys.executable).with_name("bentoml"), "serve"]
    command = [*bento, "benchmarks.vector_service:Clipvec", "--port", str(port)]
    return running(command, f"http://127.0.0.1:{port}", "readyz", environment)


def percentiles(times: list[float]) -> list[str]:
    """Return p50 and p95 in milliseconds."""
    return [f"{value:.1f} ms" for value in np.percentile(times, [50, 95])]


if __name__ == "__main__":
    main()
