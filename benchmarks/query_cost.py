"""Processor time of a query over HTTP, with this checkout and with another commit.

    python -m benchmarks.query_cost --against 78bfd43 [--rows 20000] [--queries 40] [--rounds 2]

Both serve the same store of `model=sample`, each from an index that it built itself, and take
turns: new texts, one text again and again, and the same with a filter. All processes of a service
count.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

import clipvec
from benchmarks.commits import ROOT, checkout
from benchmarks.result import result
from benchmarks.serve_load import texts
from benchmarks.serve_ratio import free_port, running
from clipvec import paths
from clipvec.store import EMBEDDING, Row, Store

OPTIONS = ["model=sample", "sharding=x1", "store.root=store"]
TEXT = {"text": "a red bird", "k": 20}
FILTER = {"where": ["category=animals", "width>=100"]}
_PART = 4096


def main() -> None:
    """Print a line for each kind of query."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", required=True, metavar="COMMIT")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        work = Path(name)
        fill(work, args.rows)
        other = stack.enter_context(checkout(args.against, work / "checkout"))
        before, after = (
            stack.enter_context(served(tree, work, index))
            for tree, index in ((other, "before"), (ROOT, "after"))
        )
        fresh = texts(20)
        kinds: dict[str, Callable[[], dict[str, Any]]] = {
            "new text": lambda: next(fresh),
            "kept text": lambda: TEXT,
            "kept text with a filter": lambda: {**TEXT, **FILTER},
        }
        for kind, body in kinds.items():
            pairs = [
                (before(body, args.queries), after(body, args.queries)) for _ in range(args.rounds)
            ]
            was, now = (statistics.median(column) for column in zip(*pairs, strict=True))
            detail = f"{now:.1f} ms of processor time, {was:.1f} at {args.against}"
            print(result(kind, now / was, f"{detail}; {args.rows:,} rows"), flush=True)


def fill(work: Path, rows: int) -> None:
    """Make a store of so many rows: the bundled images again and again, their vectors perturbed."""
    clipvec.run_embed(model="sample", sharding="x1", **{"store.root": work / "seed"})
    multiply(Store.open(str(work / "seed/sample/sample")), str(work / "store/sample/sample"), rows)


def multiply(seed: Store, url: str, rows: int) -> None:
    """Make a store of so many rows of another one, with perturbed vectors."""
    known = [row for part in seed.parts() for piece in seed.read(part) for row in piece.to_pylist()]
    store = Store.create(url, seed.fingerprint, seed.model)
    # the list of a dataset that grows, without which its shards are not read
    shutil.copytree(f"{seed.url}/{paths.GENERATIONS}", f"{url}/{paths.GENERATIONS}")
    writer, rng = store.writer(0), np.random.default_rng(0)
    for start in range(0, rows, _PART):
        numbers = range(start, min(rows, start + _PART))
        some = [known[number % len(known)] for number in numbers]
        vectors = np.array([row[EMBEDDING] for row in some], np.float32)
        vectors += rng.normal(0, 0.6 / np.sqrt(vectors.shape[1]), vectors.shape).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        copies = [copy(*one) for one in zip(numbers, some, strict=True)]
        writer.write_part(copies, vectors, numbers.stop)
    writer.commit({})


def copy(number: int, row: dict[str, Any]) -> Row:
    """Return a row of the seed under another id."""
    own = {key: row[key] for key in ("uri", "caption", "width", "height", "thumbnail")}
    return Row(id=f"{row['id']}~{number}", attributes={"category": row["category"]}, **own)


@contextlib.contextmanager
def served(tree: Path, work: Path, index: str) -> Iterator[Callable[..., float]]:
    """Index and serve the store by the code in ``tree``; yield what measures milliseconds."""
    env = {"PYTHONPATH": str(tree), "BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "clipvec.index", *OPTIONS, f"index.path={index}"]
    subprocess.run(command, cwd=work, env=os.environ | env, check=True)
    port = free_port()
    env["CLIPVEC_SERVE"] = f"index.path={work / index}"
    bento = [sys.executable, "-m", "bentoml", "serve", "clipvec.service.bento:Clipvec"]
    before = {child.pid for child in psutil.Process().children()}
    command = [*bento, "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}", "readyz", env, cwd=tree) as url:
        (process,) = (c for c in psutil.Process().children() if c.pid not in before)
        with httpx.Client(base_url=url, timeout=60) as client:
            yield lambda body, queries: cost(client, process, body, queries)


def cost(
    client: httpx.Client, process: psutil.Process, body: Callable[[], Any], queries: int
) -> float:
    """Return the processor time of a query, in milliseconds."""
    client.post("/search", json=body()).raise_for_status()
    started = seconds(process)
    for _ in range(queries):
        client.post("/search", json=body()).raise_for_status()
    return (seconds(process) - started) / queries * 1e3


def seconds(process: psutil.Process) -> float:
    """Return the processor time that a process and its descendants have taken."""
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


if __name__ == "__main__":
    main()
