"""An index on disk compared with Chroma's, over one synthetic store.

    python -m benchmarks.faiss_index [--rows 200000] [--dim 512] [--seconds 60] [--work FOLDER]

Both are built and measured by clipvec's own commands, one after the other: queries/s of lone text
searches, rows/s of the whole of ``clipvec.index`` and its processor time, bytes on disk. With
``--work`` the store and the indexes stay, and are used by the next run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.result import result

TARGET = 0.98
SYSTEMS = {
    "faiss": [
        *("systems=disk", "~systems.flat", "~systems.hnsw"),
        *("systems.disk.sweep.nprobe=[16,32,64]", "systems.disk.sweep.candidates=[100,200,400]"),
    ],
    "chroma": [
        *("systems=quick", "~systems.flat", "~systems.hnsw"),
        "+systems.chroma.sweep.ef_search=[100,200,400,800]",
    ],
}
OPENED = """
import json, re, sys, time, numpy as np
from clipvec.config import {config}
from clipvec.index import open_index
def own():
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
import pyarrow, pyarrow.compute, {module}
if setting := json.loads(sys.argv[2]):
    with open_index({config}(path=sys.argv[1]), bare=True) as index:
        index.set_search_settings(setting)
before = own()
with open_index({config}(path=sys.argv[1])) as index:
    vectors = np.random.default_rng(0).normal(size=(500, index.dim)).astype(np.float32)
    for vector in vectors[:100]:
        index.query(vector, 10)
    memory, started = own() - before, time.process_time()
    for vector in vectors[100:]:
        index.query(vector, 10)
    print(json.dumps([memory, 400 / (time.process_time() - started)]))
"""


@dataclass(frozen=True)
class Measured:
    """One backend."""

    rows_per_s: float
    """Of the whole command."""
    rows_per_cpu_s: float
    qps: float | None
    """None: no setting reaches the target."""
    recall: float
    setting: dict[str, Any]
    own_bytes: int
    queries_per_cpu_s: float
    """By that setting, with all that a hit shows."""
    disk_bytes: int


def main() -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--work")
    args = parser.parse_args()
    with synthetic_store(args.work, args.rows, args.dim) as (work, store):
        found = {kind: measure(work, kind, store, args.rows, args.seconds) for kind in SYSTEMS}
    disk, chroma = found["faiss"], found["chroma"]
    size = f"{args.rows:,} x {args.dim}"
    if disk.qps and chroma.qps:
        detail = f"{disk.qps:.0f}/s by {disk.setting} at {disk.recall:.3f}, {chroma.qps:.0f}/s by "
        detail += f"{chroma.setting} at {chroma.recall:.3f}"
        print(result(f"{size} queries/s", disk.qps / chroma.qps, detail))
    else:
        print(f"{size} queries/s: {disk} {chroma}")
    for name in ("queries_per_cpu_s", "rows_per_s", "rows_per_cpu_s", "own_bytes", "disk_bytes"):
        one, other = getattr(disk, name), getattr(chroma, name)
        print(result(f"{size} {name}", one / other, f"{one:,.0f}, Chroma {other:,.0f}"))


@contextlib.contextmanager
def synthetic_store(place: str | None, rows: int, dim: int) -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder and the options of the store that is made in it; no place: a temporary one."""
    with contextlib.ExitStack() as stack:
        work = Path(place or stack.enter_context(tempfile.TemporaryDirectory())).resolve()
        work.mkdir(parents=True, exist_ok=True)
        store = ["experiment=synthetic", f"dataset.rows={rows}", f"dataset.dim={dim}"]
        store += ["sharding=x10", "tracking=disabled"]
        command(work, "embed", *store)
        yield work, store


def measure(work: Path, kind: str, store: list[str], rows: int, seconds: int) -> Measured:
    """Build and measure one backend; an index of an earlier run keeps the figures of its build."""
    index, (rows_per_s, rows_per_cpu_s) = build(work, kind, store, rows)
    report = work / f"report-{kind}"
    options = ["measure=quick", "measure.selectivities=[]", f"measure.time_budget_s={seconds}"]
    options += ["measure.threads=1", f"report_dir={report}", "measure.recall_at=[10]"]
    options += ["queries.images=0", "queries.texts=500", "measure.concurrency=2"]
    command(work, "recall", *store, *index, *SYSTEMS[kind], *options)
    (system,) = json.loads((report / "report.json").read_text())["systems"]
    qps, recall, setting = fastest(system["settings"])
    module, config = ("faiss", "FaissConfig") if kind == "faiss" else ("chromadb", "ChromaConfig")
    folder = work / kind
    code = [sys.executable, "-c", OPENED.format(module=module, config=config), str(folder)]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*code, json.dumps(setting)], capture_output=True, text=True, check=True, env=env
    )
    own, queries = json.loads(done.stdout.splitlines()[-1])
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Measured(rows_per_s, rows_per_cpu_s, qps, recall, setting, own, queries, size)


def build(work: Path, kind: str, store: list[str], rows: int) -> tuple[list[str], list[float]]:
    """Build an index, unless an earlier run did; return its options, and rows/s of both clocks."""
    index, kept = [f"index={kind}", f"index.path={work / kind}"], work / f"{kind}.json"
    if not kept.is_file():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        command(work, "index", *store, *index)
        took = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        kept.write_text(json.dumps([rows / took, rows / cpu]))
    return index, json.loads(kept.read_text())


def fastest(settings: list[dict[str, Any]]) -> tuple[float | None, float, dict[str, Any]]:
    """Return QPS, recall and parameters of the fastest setting that reaches the target."""
    entries = []
    for setting in settings:
        (recall,) = (r["recall_at"]["10"] for r in setting["recall"] if r["kind"] == "text")
        (single,) = (
            one["qps"]
            for one in setting["latency"]
            if (one["kind"], one["batch_size"], one["concurrency"]) == ("text", 1, 1)
        )
        entries.append((single, recall["value"], setting["parameters"]))
        print(f"  {setting['parameters']}: text recall@10 {recall['value']:.3f}, {single:.0f}/s")
    good = [entry for entry in entries if entry[1] >= TARGET]
    if not good:
        return None, max(entry[1] for entry in entries), {}
    return max(good, key=lambda entry: entry[0])


def command(work: Path, name: str, *options: str) -> None:
    """Run one of clipvec's commands."""
    print(f"{name} {' '.join(options)}", flush=True)
    subprocess.run([sys.executable, "-m", f"clipvec.{name}", *options], cwd=work, check=True)


if __name__ == "__main__":
    main()
