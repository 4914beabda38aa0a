"""What deleted rows cost: recall and time of queries by the share of rows that were deleted.

    python -m benchmarks.deletions [--rows 20000] [--dim 128]

Rows lie around 200 centres, queries beside rows. Each line is of one share: the CPU seconds of the
deletion and of ``clipvec.index``, recall@10 against exact search, and a query's CPU time relative
to that of the index without a look for deletions; hidden: before clipvec.index took the rows out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clipvec.config import ChromaConfig
from clipvec.delete.select import by_ids
from clipvec.index import open_index
from clipvec.index.build import build_index
from clipvec.store import Entry, Rows, Store, TombstoneFolder
from tests.index.conftest import build_config
from tests.stores import make_store, row

if TYPE_CHECKING:
    from clipvec.index.live import LiveIndex

K, QUERIES = 10, 200
SHARES = (0, 0.01, 0.1, 0.5, 0.9)
PART_ROWS = 1000


def clustered(count: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Return unit vectors around 200 centres, float32 [count, dim]."""
    centres = np.random.default_rng(0).normal(size=(200, dim))
    vectors = centres[rng.integers(0, 200, count)] + 0.7 * rng.normal(size=(count, dim))
    unit: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit.astype(np.float32)


def fill(root: Path, rows: int, dim: int) -> Store:
    """Return a store of clustered rows."""
    store = make_store(root, {}, dim=dim, count=1)
    writer, rng = store.writer(0), np.random.default_rng(1)
    for start in range(0, rows, PART_ROWS):
        numbers = range(start, start + PART_ROWS)
        writer.write_part(
            [row(0, n) for n in numbers], clustered(PART_ROWS, dim, rng), numbers.stop
        )
    writer.commit({})
    return store


def recall(index: LiveIndex, rows: Rows, queries: np.ndarray) -> float:
    """Return recall@10 of an index on the rows that are not deleted."""
    numbers = np.arange(len(rows))
    scores = queries @ rows.vectors(numbers).T
    exact = rows.ids(np.argsort(-scores, axis=1)[:, :K].ravel()).reshape(-1, K)
    found = [ids for ids, _ in index.nearest(queries, K)]
    return float(np.mean([len({*a} & {*b}) / K for a, b in zip(exact, found, strict=True)]))


def ratio(index: LiveIndex, queries: np.ndarray) -> float:
    """Return the CPU time of single queries relative to those of the index as it is."""
    spent = [0.0, 0.0]
    for vector in queries:
        for place, asked in enumerate((index, index.held)):
            started = time.process_time()
            asked.query(vector, K)
            spent[place] += time.process_time() - started
    return spent[0] / spent[1]


def main() -> None:
    """Print a line for each share."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=128)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store = fill(root, given.rows, given.dim)
        config = build_config(root, ChromaConfig(f"{root}/index"))
        build_index(config)
        order = np.random.default_rng(2).permutation(given.rows)
        queries = clustered(QUERIES, given.dim, np.random.default_rng(3))
        for share in SHARES:
            ids = {f"0/{n}" for n in order[: int(share * given.rows)]}
            started = time.process_time()
            parts = by_ids(Store.open(store.url), ids, ignore_missing=False)
            TombstoneFolder(store.folder).add(Entry.now(None, parts))
            deleted = time.process_time() - started
            with open_index(config.index) as index:
                hidden = recall(index, Rows.open(store.url), queries), ratio(index, queries)
            started = time.process_time()
            build_index(config)
            indexed = time.process_time() - started
            with open_index(config.index) as index:
                after = recall(index, Rows.open(store.url), queries), ratio(index, queries)
            print(
                f"{share:4.0%} deleted: delete {deleted:.1f} s, index {indexed:.1f} s; hidden: "
                f"recall {hidden[0]:.4f}, time {hidden[1]:.2f}; taken out: recall {after[0]:.4f}, "
                f"time {after[1]:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
