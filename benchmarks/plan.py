"""What 100 million and a billion rows take: each part measured at a small scale, and their sum.

    python -m benchmarks.plan [--rows 200000] [--dim 512] [--seconds 20] [--arch ViT-B-32]
                              [--cloud any] [--cores 16] [--work FOLDER]

The index is built and measured by `benchmarks.faiss_index`, which uses what an earlier run left in
``--work``. All columns come from the same formulas, which give at R rows what was measured there.
Prices are those of SkyPilot's lists on this machine. Recall is not foretold.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import math
import os
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

import clipvec
from benchmarks.faiss_index import Measured, measure, synthetic_store
from benchmarks.result import machine
from clipvec import config, data
from clipvec.index import open_index
from clipvec.index.faiss import factory, training
from clipvec.index.faiss.backend import FaissBackend
from clipvec.jobs.skypilot import gpus, prices, speeds
from clipvec.store import Rows
from clipvec.web.format import number, size

SIZES = (100_000_000, 1_000_000_000)
_QUERIES, _MORE = 300, 8
"""Queries that are timed, and times as many lists that every other one looks into."""


@dataclass(frozen=True)
class Small:
    """What was measured at R rows; times are seconds of a processor."""

    rows: int
    dim: int
    index: Measured
    peak_bytes: int
    """Memory of the process that built it."""
    nprobe: int
    flops: float
    """Of k-means."""
    query_s: float
    """But for the codes that it looks at."""
    code_s: float
    """Of each of these."""
    row_bytes: float
    """Of the store, without thumbnails."""
    thumbnail_bytes: float


@dataclass(frozen=True)
class Plan:
    """What the index of N rows takes; times are seconds of a processor."""

    factory: str
    train_s: float
    encode_s: float
    disk_bytes: float
    build_bytes: float
    own_bytes: float
    codes: float
    """That a query looks at."""
    query_s: float


def plan(small: Small, rows: int) -> Plan:
    """Return what the index of so many rows takes.

    Finding the lists of a vector takes as long as at R rows: above a million a graph is searched.
    """
    name, known = (factory.choose(factory.AUTO, each, small.dim) for each in (rows, small.rows))
    lists, before = factory.lists_of(name), factory.lists_of(known)
    train_s, trained_s = (
        training.ROUNDS * comparing(training.sample_rows(each), factory.lists_of(each), small.dim)
        / small.flops
        for each in (name, known)
    )  # fmt: skip
    codes = small.nprobe * rows / lists
    centroids, centroids_before = 4 * small.dim * lists, 4 * small.dim * before
    return Plan(
        factory=name,
        train_s=train_s,
        encode_s=rows * (1 / small.index.rows_per_cpu_s - trained_s / small.rows),
        disk_bytes=(small.index.disk_bytes - centroids_before) * rows / small.rows + centroids,
        build_bytes=small.peak_bytes + forecast(rows, small.dim) - forecast(small.rows, small.dim),
        own_bytes=small.index.own_bytes - centroids_before + centroids,
        codes=codes,
        query_s=small.query_s + small.code_s * codes,
    )


def comparing(rows: int, lists: int, dim: int) -> float:
    """Return the operations that compare each row with each centroid."""
    return 2.0 * rows * lists * dim


@functools.cache
def _options() -> config.IndexCommandConfig:
    return config.read_command("index", ["index=faiss"], config.IndexCommandConfig)


def forecast(rows: int, dim: int) -> int:
    """Return the memory that ``clipvec index`` says it will take."""
    options = _options()
    assert isinstance(options.index, config.FaissConfig)
    return FaissBackend(options.index).memory_bytes(rows, dim, options)


def measured(work: Path, store: list[str], rows: int, seconds: int) -> Small:
    """Build and measure an index of so many rows, and its parts by themselves."""
    index = measure(work, "faiss", store, rows, seconds)
    (url,) = (done.parents[1] for done in work.glob("data/store/*/*/shard-00000/done.json"))
    with open_index(config.FaissConfig(path=str(work / "faiss"))) as opened:
        nprobe, stats = opened.settings["nprobe"], opened.build_stats
        lists, dim = factory.lists_of(opened.settings["factory"]), opened.dim
    _, vectors = next(Rows.open(str(url)).chunks())
    with threadpool_limits(1):
        flops = comparing(len(vectors), lists, dim) / cpu(
            functools.partial(training.assign, vectors, vectors[:lists])
        )
        one, more = queries(work / "faiss", vectors, [nprobe, _MORE * nprobe])
    codes = nprobe * rows / lists
    code_s = (more - one) / (codes * (_MORE - 1))
    stored = sum(file.stat().st_size for file in url.rglob("*.parquet"))
    return Small(
        *(rows, dim, index, (stats and stats.peak_bytes) or 0, nprobe, flops),
        *(one - code_s * codes, code_s, stored / rows, thumbnail_bytes()),
    )


def cpu(work: Callable[[], object]) -> float:
    """Return the processor time that something takes."""
    started = time.process_time()
    work()
    return time.process_time() - started


def queries(path: Path, vectors: np.ndarray, settings: list[int]) -> list[float]:
    """Return the processor time of a query by each ``nprobe``; they take turns."""
    with contextlib.ExitStack() as stack:
        indexes = [
            stack.enter_context(open_index(config.FaissConfig(path=str(path), nprobe=nprobe)))
            for nprobe in settings
        ]
        for index in indexes:
            index.query_many(vectors[:_QUERIES], 10)  # reads what they map
        times = [
            [cpu(functools.partial(index.query, vector, 10)) for index in indexes]
            for vector in vectors[:_QUERIES]
        ]
    return [float(mean) for mean in np.mean(times, axis=0)]


def thumbnail_bytes() -> float:
    """Return the mean size of a thumbnail of the sample images."""
    side = config.read_command("embed", [], config.EmbedConfig).store.thumbnail
    sizes = []
    for file in sorted(Path(clipvec.__file__).parent.glob("sample_data/*.tar")):
        with tarfile.open(file) as tar:
            pictures = [tar.extractfile(each) for each in tar if each.name.endswith(".jpg")]
            images = (data.open_image(each.read()) for each in pictures if each)
            sizes += [len(data.thumbnail(image.convert("RGB"), side)) for image in images]
    return float(np.mean(sizes))


def cheapest_gpu(arch: str, cloud: str) -> tuple[str, float, float | None]:
    """Return the GPU of a cloud group that is cheapest for an image, images/s, dollars an hour."""
    group = config.read_command("embed", [f"cloud={cloud}"], config.EmbedConfig).cloud
    resources = {"resources": group.resources}
    known, found = prices.by_gpu(resources), []
    for name, count in gpus.counted(resources):
        if speed := speeds.estimate(arch, name):
            found.append((name.upper(), count * speed.images_per_s, known.get((name, count))))
    return min(found, key=lambda gpu: (gpu[2] or math.inf) / gpu[1])


def cheapest_machine(cores: int, memory: float) -> float | None:
    """Return the lowest price of a machine without a GPU, in dollars an hour."""
    least, found = {"Price": 1e-9, "vCPUs": cores, "MemoryGiB": memory / 2**30}, []
    for row in prices.machines("*"):
        has = {name: gpus.number(row[name]) or 0 for name in least}
        if not row["AcceleratorName"] and all(has[name] >= least[name] for name in least):
            found.append(has["Price"])
    return min(found, default=None)


def column(
    small: Small, rows: int, gpu: tuple[str, float, float | None], cores: int
) -> dict[str, str]:
    """Return what so many rows take, by the names of the table's rows."""
    needed, (name, rate, gpu_price) = plan(small, rows), gpu
    price = cheapest_machine(cores, needed.build_bytes)
    gpu_hours = rows / rate / 3600
    machines = math.ceil(gpu_hours / 24)
    hours = (needed.train_s + needed.encode_s) / 3600 / cores
    costs = [gpu_price and gpu_hours * gpu_price, price and hours * price]
    embedding, indexing, total = (
        "-" if cost is None else f"${cost:,.2f}"
        for cost in (*costs, None if None in costs else sum(cost or 0 for cost in costs))
    )
    return {
        f"embed: {name} hours, {rate:,.0f} images/s": number(gpu_hours),
        "embed: machines, to end in a day": f"{machines:,}",
        "embed: dollars": embedding,
        "store: vectors and columns": size(rows * small.row_bytes),
        "store: thumbnails": size(rows * small.thumbnail_bytes),
        "index: factory": f"`{needed.factory}`",
        "index: processor hours of training": number(needed.train_s / 3600),
        "index: processor hours of the rest": number(needed.encode_s / 3600),
        f"index: hours, {cores} cores all busy": number(hours),
        "index: dollars": indexing,
        "index: on disk": size(needed.disk_bytes),
        "index: memory while it is built": size(needed.build_bytes),
        "search: memory of a process": size(needed.own_bytes),
        f"search: codes looked at, nprobe {small.nprobe}": f"{needed.codes:,.0f}",
        "search: processor time of a query": f"{needed.query_s * 1e3:.2f} ms",
        "search: queries per second and core": f"{1 / needed.query_s:,.0f}",
        "search: text recall@10": f"{small.index.recall:.3f}" if rows == small.rows else "measure",
        "all: hours": number(gpu_hours / machines + hours),
        "all: dollars": total,
    }


def main() -> None:
    """Print the plan as a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--arch", default="ViT-B-32")
    parser.add_argument("--cloud", default="any")
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--work")
    args = parser.parse_args()
    if not factory.lists_of(factory.choose(factory.AUTO, args.rows, args.dim)):
        parser.error(f"--rows {args.rows}: so few are compared without lists; give more")
    gpu = cheapest_gpu(args.arch, args.cloud)
    with synthetic_store(args.work, args.rows, args.dim) as (work, store):
        small = measured(work, store, args.rows, args.seconds)
    sizes = (args.rows, *SIZES)
    columns = [column(small, rows, gpu, args.cores) for rows in sizes]
    print(f"\n{machine()}; load {os.getloadavg()[0]:.1f}\n")
    print(f"| | {args.rows:,}, measured | {' | '.join(f'{rows:,}' for rows in SIZES)} |")
    print("| --- | --- | --- | --- |")
    for what in columns[0]:
        print(f"| {what} | {' | '.join(cells[what] for cells in columns)} |")


if __name__ == "__main__":
    main()
