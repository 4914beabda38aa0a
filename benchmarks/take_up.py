"""Errors, mixed answers and latency while a running service takes up another index.

    python -m benchmarks.take_up [--index faiss] [--rows 20000] [--clients 64] [--switches 20]

Two small models with random weights embed the bundled images, whose rows are multiplied. A service
of the alias ``live`` is asked by all clients at once, and each answer is compared with the one that
either index gives: an answer that is neither is mixed. First nothing happens; then the alias is
switched again and again, from one index and model to the other, as soon as the switch before has
shown in an answer. The figure is p99 of the second part over that of the first.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

import clipvec
from benchmarks.query_cost import multiply
from benchmarks.result import result
from benchmarks.serve_ratio import free_port, running
from clipvec.config import ChromaConfig, FaissConfig
from clipvec.index import aliases
from clipvec.store import Store
from tests import tiny

NAMES = ("one", "two")
TEXTS = [f"picture number {number}" for number in range(200)]
K = 20
SAME = 1e-3
"""Scores of one text that was embedded in batches of several sizes differ by less."""


@dataclass
class Seen:
    """What the clients saw."""

    right: dict[str, list[Any]] = field(default_factory=dict)
    """The answers of each index to `TEXTS`."""
    answers: Counter[str] = field(default_factory=Counter)
    """By the index that gave them; the others are ``mixed``."""
    mixed: list[str] = field(default_factory=list)
    """How these differ from the answers of each index."""
    errors: list[str] = field(default_factory=list)
    times: list[tuple[float, float]] = field(default_factory=list)
    """When each request was sent, and milliseconds until its answer."""


def main() -> None:
    """Print what was seen, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", choices=("faiss", "chroma"), default="faiss")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--switches", type=int, default=20)
    parser.add_argument("--calm-seconds", type=float, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work, port = Path(name), free_port()
        for seed, model in enumerate(NAMES):
            fill(work, model, seed, args)
        serve = f"index={args.index} index.path={work}/index collection=live"
        environment = {"CLIPVEC_SERVE": serve, "BENTOML_DO_NOT_TRACK": "True"}
        command = [Path(sys.executable).with_name("bentoml"), "serve", "--port", str(port)]
        with running(command, f"http://127.0.0.1:{port}", "readyz", environment) as url:
            asyncio.run(measure(url, work, args))


def fill(work: Path, model: str, seed: int, args: argparse.Namespace) -> None:
    """Make the index of a model, for which the alias then stands."""
    weights = work / f"weights-{model}"
    weights.mkdir()
    tiny.write(weights, seed)
    options = ["model=local", f"model.name={model}", "sharding=x1"]
    clipvec.run_embed(
        *options, f"model.pretrained=local-dir:{weights}", **{"store.root": work / "seed"}
    )
    store = work / "store"
    multiply(Store.open(f"{work}/seed/sample/{model}"), f"{store}/sample/{model}", args.rows)
    where = [f"index={args.index}", f"index.path={work}/index", f"store.root={store}", "alias=live"]
    index = [sys.executable, "-m", "clipvec.index", *options, *where]
    subprocess.run(index, cwd=work, check=True)


async def measure(url: str, work: Path, args: argparse.Namespace) -> None:
    """Ask for a while; then switch."""
    kind = {"faiss": FaissConfig, "chroma": ChromaConfig}[args.index]
    index, seen, ended = kind(f"{work}/index"), Seen(), asyncio.Event()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        for model in NAMES:
            await switch(session, index, model)
            seen.right[model] = [await ask(session, text) for text in TEXTS]
        clients = [
            asyncio.create_task(client(session, seen, ended, number))
            for number in range(args.clients)
        ]
        await asyncio.sleep(args.calm_seconds)
        held = memory()
        began, waits = time.perf_counter(), []
        for turn in range(args.switches):
            waits.append(await switch(session, index, NAMES[turn % 2]))
        stopped = time.perf_counter()
        ended.set()
        await asyncio.gather(*clients)
    calm, busy = (
        np.array([taken for sent, taken in seen.times if (sent < began) == first])
        for first in (True, False)
    )
    (calm50, calm99), (busy50, busy99) = (np.percentile(each, [50, 99]) for each in (calm, busy))
    grown = (memory() - held) / 2**20
    print(
        f"{len(calm):,} answers without a switch: p50 {calm50:.0f} ms, p99 {calm99:.0f} ms; "
        f"{len(busy):,} in {args.switches} switches in {stopped - began:.0f} s: "
        f"p50 {busy50:.0f} ms, p99 {busy99:.0f} ms, longest {busy.max():.0f} ms; "
        f"a switch showed after {np.median(waits):.1f} s, the slowest after {max(waits):.1f} s; "
        f"{grown:+.0f} MB of memory after them"
    )
    mixed = seen.answers.pop("mixed", 0)
    by_index = ", ".join(f"{count:,} by {name}" for name, count in sorted(seen.answers.items()))
    detail = f"{by_index}; {len(seen.errors)} errors, {mixed} mixed; {args.clients} clients"
    detail += f", {args.rows:,} rows, index={args.index}"
    print(result("p99 while switching", busy99 / calm99, detail))
    print(
        f"load average {os.getloadavg()[0]:.1f}; first errors: {seen.errors[:3]}, {seen.mixed[:3]}"
    )


def memory() -> int:
    """Return the resident bytes of the service."""
    return sum(each.memory_info().rss for each in psutil.Process().children(recursive=True))


async def switch(session: aiohttp.ClientSession, index: Any, model: str) -> float:
    """Let the alias stand for the index of a model, and return the seconds until that is served."""
    started = time.perf_counter()
    aliases.switch(index, "live", f"sample--{model}", {})
    while True:
        async with session.get("/stats") as answer:
            if (await answer.json())["model"] == model:
                return time.perf_counter() - started
        await asyncio.sleep(0.1)


async def ask(session: aiohttp.ClientSession, text: str) -> list[tuple[str, float]]:
    """Return the ids and scores of an answer."""
    body = {"text": text, "k": K}
    async with session.post("/search", json=body, raise_for_status=True) as answer:
        return [(row["id"], row["similarity"]) for row in await answer.json()]


def difference(found: list[tuple[str, float]], right: list[tuple[str, float]]) -> float:
    """Return by how much a score is off; a row that the other answer lacks has the least of it."""
    least = min((score for _, score in right), default=0)
    expected = dict(right)
    off = [abs(score - expected.get(id, least)) for id, score in found]
    return max(off, default=0) if len(found) == len(right) else 1


async def client(
    session: aiohttp.ClientSession, seen: Seen, ended: asyncio.Event, number: int
) -> None:
    """Ask one text after another, and compare the answers."""
    while not ended.is_set():
        number = (number + 1) % len(TEXTS)
        sent = time.perf_counter()
        try:
            found = await ask(session, TEXTS[number])
        except aiohttp.ClientError as error:
            seen.errors.append(repr(error))
            continue
        seen.times.append((sent, (time.perf_counter() - sent) * 1e3))
        off = {name: difference(found, right[number]) for name, right in seen.right.items()}
        name = min(off, key=lambda name: off[name])
        if off[name] > SAME:
            seen.mixed.append(f"{TEXTS[number]}: {off}")
            name = "mixed"
        seen.answers[name] += 1


if __name__ == "__main__":
    main()
