"""What compacting takes, and what ten generations cost beside one.

    python -m benchmarks.compact [--rows 100000] [--dim 512]

First 1 % of the rows, drawn at random, is deleted, and taken out of every part: seconds, and bytes
written and freed, by the store alone; the ratio is of its time to that of reading and writing the
same bytes. Then as many rows in ten generations, before and after these are joined, as in one: the
processor time to index, to search and to measure recall, in turns that each begin with another
store; the least of them counts, as other work adds to it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.result import result
from clipvec.compact.run import CompactSummary, compact
from clipvec.config import ChromaConfig, CompactConfig, FaissConfig, from_dict, to_dict
from clipvec.delete.select import by_ids
from clipvec.index import VectorIndex, build_index, open_index
from clipvec.store import REPLACED, Entry, Rows, Store, TombstoneFolder
from tests.index.conftest import build_config
from tests.stores import make_store, row

PART_ROWS = 1024
GENERATIONS = 10
K, QUERIES = 10, 500
TURNS = 6
THUMBNAIL = 8000
"""Bytes of a thumbnail, about those of a photograph."""


def fill(store: Store, shard: int, first: int, rows: int, thumbnail: int) -> None:
    """Commit a shard of random rows."""
    rng = np.random.default_rng(first)
    writer, dim = store.writer(shard), store.fingerprint.model.dim
    for start in range(0, rows, PART_ROWS):
        count = min(PART_ROWS, rows - start)
        vectors = rng.normal(size=(count, dim)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        numbers = range(first + start, first + start + count)
        made = [row(0, n, rng.bytes(thumbnail) or None) for n in numbers]
        digests = [n.to_bytes(16, "big") for n in numbers]
        made = [replace(each, digest=d) for each, d in zip(made, digests, strict=True)]
        writer.write_part(made, vectors, start + count)
    writer.commit({})


def copied(store: Store) -> float:
    """Return the seconds to read all parts and to write them to another folder, with fsync."""
    started = time.perf_counter()
    for number, part in enumerate(store.parts()):
        store.folder.write(f"copy/{number}", store.folder.read(part.file))
    return time.perf_counter() - started


def compacted(root: Path) -> CompactSummary:
    """Compact the store below a folder."""
    values = {
        "model": {"name": "toy"},
        "dataset": {"name": "toys"},
        "store": {"root": str(root)},
        "index": to_dict(ChromaConfig(f"{root}/none")),
        "dry_run": False,
    }
    return compact(from_dict(values, CompactConfig))


def measure_compact(root: Path, rows: int, dim: int) -> None:
    """Print what it takes to take 1 % of the rows out."""
    store = make_store(root, {}, dim=dim, count=10)
    for shard in range(10):
        fill(store, shard, shard * rows // 10, rows // 10, THUMBNAIL)
    size = sum(part.part.bytes for part in store.parts())
    took = copied(store)
    chosen = np.random.default_rng(0).choice(rows, rows // 100, replace=False)
    parts = by_ids(store, {f"0/{n}" for n in chosen}, ignore_missing=False)
    TombstoneFolder(store.folder).add(Entry.now(None, parts))
    started = time.perf_counter()
    done = compacted(root)
    seconds = time.perf_counter() - started
    detail = (
        f"compact of {done.rows:,} of {rows:,} rows in {done.parts} parts: {seconds:.1f} s, "
        f"{size / 1e6:,.0f} MB read and written, {done.bytes / 1e6:.1f} MB freed, against "
        f"{took:.1f} s to copy the files"
    )
    print(result("compact", seconds / took, detail), flush=True)


def grown(root: Path, rows: int, dim: int, generations: int) -> Store:
    """Return a store of so many generations."""
    store = make_store(root, {}, dim=dim, count=1)
    share = rows // generations
    for number in range(generations):
        names = [f"{n}".encode() for n in range(number * share, (number + 1) * share)]
        columns = {"name": pa.array(names, pa.binary()), "size": pa.array([1] * share)}
        columns |= {name: pa.nulls(share, pa.string()) for name in ("version", "detail")}
        columns |= {name: pa.nulls(share, pa.int64()) for name in REPLACED}
        store.generations.add(number, number, 1, share, pa.table(columns))
        fill(store, number, number * share, share, 0)
        if number:
            TombstoneFolder(store.folder).add(Entry.now(None, {}, generation=number))
    return Store.open(store.url)


def measure_generations(root: Path, rows: int, dim: int) -> None:
    """Print the ratios of ten generations, and of those joined, to one."""
    names = {"one": 1, "ten": GENERATIONS, "ten, joined": GENERATIONS}
    stores = {name: grown(root / name, rows, dim, n) for name, n in names.items()}
    print(compacted(root / "ten, joined"), flush=True)
    taken: dict[str, dict[str, list[tuple[float, float]]]] = {}
    queries = np.random.default_rng(1).normal(size=(QUERIES, dim)).astype(np.float32)

    def timed(what: str, name: str, work: Callable[[], object]) -> None:
        started = time.perf_counter(), time.process_time()
        work()
        took = time.perf_counter() - started[0], time.process_time() - started[1]
        taken.setdefault(what, {}).setdefault(name, []).append(took)

    for turn in range(TURNS):
        for place in range(len(names)):
            name = [*names][(turn + place) % len(names)]
            index = FaissConfig(f"{root}/{name}/index")
            config = build_config(root / name, index, rebuild=turn > 0)
            timed("index", name, partial(build_index, config))
            with open_index(index) as opened:
                opened.query(queries[0], K)
                timed("search", name, partial(_search, opened, queries))
            timed("exact search of recall", name, partial(_compare_all, stores[name], queries))
    for what, times in taken.items():
        least = {name: np.min(times[name], axis=0) for name in names}
        for name in [*names][1:]:
            clock, processor = least[name] / least["one"]
            detail = (
                f"{what} of {rows:,} rows in {name} generations against one, by processor time; by "
                f"the clock {clock:.2f}; {least[name][1]:.2f} s, {least['one'][1]:.2f} s"
            )
            print(result("generations", processor, detail), flush=True)


def _search(index: VectorIndex, queries: np.ndarray) -> None:
    for query in queries:
        index.query(query, K)


def _compare_all(store: Store, queries: np.ndarray) -> None:
    for _, vectors in Rows.open(store.url).chunks():
        vectors @ queries.T


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=512)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure_compact(Path(folder, "compact"), given.rows, given.dim)
        measure_generations(Path(folder), given.rows, given.dim)


if __name__ == "__main__":
    main()
