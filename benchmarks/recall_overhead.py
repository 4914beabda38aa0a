"""Queries/s through clipvec compared with the bare libraries, on the same rows.

    python -m benchmarks.recall_overhead [--rows 20000] [--dim 512] [--rounds 7] [--seconds 1]

Chroma through `clipvec.index.VectorIndex` (as the service uses it) and by ``collection.query`` with
distances and metadata; FAISS through the recall benchmark's harness and by ``index.search`` in a
loop. Each pair sends single queries for ten rows to the same object, taking turns.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np

from benchmarks.index_ratio import HNSW, indexed, make_store
from clipvec.config import ChromaConfig, FaissSystemConfig
from clipvec.index import open_index
from clipvec.recall.systems.faiss import FaissSystem
from clipvec.recall.timing import Rounds, sequential
from clipvec.store.rows import Rows

K = 10
QUERIES = 200
BATCH_ROWS = 2048

Ask = Callable[[np.ndarray], object]


def through(ask: Ask, queries: np.ndarray, seconds: float) -> float:
    """Return the queries/s that the harness reports."""
    rounds = Rounds()
    sequential(ask, queries, 1, seconds, rounds)
    return rounds.qps[0]


def bare(ask: Ask, queries: np.ndarray, seconds: float) -> float:
    """Return the queries/s of a plain loop."""
    singles = [queries[i : i + 1] for i in range(len(queries))]
    count, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        ask(singles[count % len(singles)])
        count += 1
    return count / spent


def compare(
    name: str, ours: Ask, theirs: Ask, queries: np.ndarray, rounds: int, seconds: float
) -> float:
    """Return the median ratio of ours to theirs over some rounds."""
    ratios = []
    for turn in range(rounds):
        # The order alternates, since the load of a machine drifts.
        runs = [
            ("ours", lambda: through(ours, queries, seconds)),
            ("bare", lambda: bare(theirs, queries, seconds)),
        ]
        qps = {label: work() for label, work in (runs if turn % 2 else runs[::-1])}
        ratios.append(qps["ours"] / qps["bare"])
        print(f"  {name}: clipvec {qps['ours']:,.0f}/s, bare {qps['bare']:,.0f}/s")
    return statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        rows = Rows.open(make_store(root, args.rows, args.dim).url)
        queries = rows.sample(QUERIES, 0)
        indexed(root, f"{scratch}/index", BATCH_ROWS)
        config = FaissSystemConfig(
            kind="faiss",
            factory=f"HNSW{HNSW['max_neighbors']}",
            build={"efConstruction": HNSW["ef_construction"]},
        )
        index = ChromaConfig(path=f"{scratch}/index")
        with (
            open_index(index, "bench--bench", bare=True) as collection,
            FaissSystem(config, rows, root, faiss.omp_get_max_threads(), 0) as system,
        ):
            system.build()
            inner = collection._rows
            ratios = {
                "chroma": compare(
                    "chroma",
                    lambda v: collection.query_many(v, K),
                    lambda v: inner.query(
                        query_embeddings=v, n_results=K, include=["distances", "metadatas"]
                    ),
                    *(queries, args.rounds, args.seconds),
                ),
                "faiss": compare(
                    "faiss",
                    lambda v: system.query(v, K),
                    lambda v: system._index.search(v, K),
                    *(queries, args.rounds, args.seconds),
                ),
            }
    for name, ratio in ratios.items():
        print(f"{name}: ratio {ratio:.3f} (median of {args.rounds}, target 0.95)")
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
