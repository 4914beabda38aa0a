"""Rows/s of ``clipvec.index`` compared with a bare ``collection.add`` loop on the same arrays.

    python -m benchmarks.index_ratio [--rows 20000] [--dim 512] [--rounds 5]

Both write the same vectors and metadata into new embedded collections with the same HNSW settings
and the same number of rows per request, taking turns in one process. clipvec's time includes all
that it does besides: reading Parquet, the ledger, verification.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import chromadb
import numpy as np
from chromadb.config import Settings

import clipvec
from benchmarks.result import result
from clipvec.index.chroma.writer import metadata
from clipvec.index.load import batches
from clipvec.store import Fingerprint, Golden, ModelFingerprint, Row, Store

PART_ROWS = 1024
HNSW = {"max_neighbors": 16, "ef_construction": 100, "ef_search": 100}


def make_store(root: Path, rows: int, dim: int) -> Store:
    """Return a store of clustered vectors in shards of four parts."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((200, dim), dtype=np.float32)
    parts = [PART_ROWS] * (rows // PART_ROWS) + ([rows % PART_ROWS] if rows % PART_ROWS else [])
    shards = [parts[start : start + 4] for start in range(0, len(parts), 4)]
    golden = Golden([1.0] * dim, [1.0] * dim)
    fingerprint = Fingerprint(
        dataset={"name": "bench", "kind": "webdataset", "sources": 1, "digest": "0"},
        sharding_count=len(shards),
        attributes={"category": "string"},
        dtype="float16",
        thumbnail=0,
        model=ModelFingerprint("bench", "0", {}, dim, golden),
        precision="",
        code="",
    )
    model = {"name": "bench", "arch": "bench", "pretrained": "bench"}
    store = Store.create(str(root / "bench" / "bench"), fingerprint, model)
    for shard, sizes in enumerate(shards):
        writer, stop = store.writer(shard), 0
        for size in sizes:
            vectors = centres[rng.integers(0, 200, size)]
            vectors += 0.7 * rng.standard_normal((size, dim), dtype=np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            numbers = range(stop, stop + size)
            stop += size
            writer.write_part([row(shard, number) for number in numbers], vectors, stop)
        writer.commit({})
    return store


def row(shard: int, number: int) -> Row:
    """Return a row with metadata of typical length."""
    uri = f"/data/tars/train-{shard:05d}.tar#{number:09d}.jpg"
    caption = f"a photo of bird number {number} on a branch in front of a house"
    return Row(f"train-{shard:05d}/{number}", uri, caption, 640, 480, None, {"category": "animals"})


def bare(loaded: list, folder: str) -> float:
    """Return the seconds of an ``add`` loop over batches in memory."""
    with chromadb.PersistentClient(folder, Settings(anonymized_telemetry=False)) as client:
        settings = {"hnsw": {"space": "cosine", **HNSW}}
        collection = client.create_collection(
            "bare", configuration=settings, embedding_function=None
        )
        started = time.perf_counter()
        for vectors, rows in loaded:
            ids = rows["id"].to_pylist()
            collection.add(ids=ids, embeddings=vectors, metadatas=metadata(rows))
        return time.perf_counter() - started


def indexed(root: Path, folder: str, batch_rows: int) -> float:
    """Return the seconds of a complete ``clipvec.index`` run in this process."""
    hnsw = [f"hnsw.{key}={value}" for key, value in HNSW.items()]
    named = ["model.name=bench", "dataset=webdataset", "dataset.name=bench", f"store.root={root}"]
    started = time.perf_counter()
    summary = clipvec.run_index(*named, *hnsw, f"index.path={folder}", f"batch_rows={batch_rows}")
    seconds = time.perf_counter() - started
    print(f"  {summary}")
    return seconds


def timed(work: Callable[[], float]) -> tuple[float, float]:
    """Return the seconds that ``work`` reports, and the CPU seconds of all threads."""
    before = time.process_time()
    return work(), time.process_time() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-rows", type=int, default=2048)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        store = make_store(root, args.rows, args.dim)
        parts = store.parts()
        loaded = list(batches(store, parts, args.batch_rows))
        ratios = []
        for turn in range(args.rounds):
            # The order alternates, since the load of a machine drifts.
            runs = [
                ("bare", lambda t=turn: bare(loaded, f"{scratch}/bare-{t}")),
                ("index", lambda t=turn: indexed(root, f"{scratch}/index-{t}", args.batch_rows)),
            ]
            spent = {name: timed(work) for name, work in (runs if turn % 2 else runs[::-1])}
            (a, a_cpu), (b, b_cpu) = spent["bare"], spent["index"]
            ratios.append((a / b, a_cpu / b_cpu))
            print(
                f"bare {args.rows / a:,.0f} rows/s ({a_cpu:.1f} s of CPU), "
                f"clipvec.index {args.rows / b:,.0f} rows/s ({b_cpu:.1f} s of CPU)"
            )
        wall, cpu = (statistics.median(values) for values in zip(*ratios, strict=True))
        detail = f"{cpu:.3f} by processor time, {args.rows:,} x {args.dim}, {args.rounds} rounds"
        print(result("index / bare collection.add", wall, detail))


if __name__ == "__main__":
    main()
