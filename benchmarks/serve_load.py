"""Queries/s and latency of a running service, at several numbers of concurrent clients.

    python -m benchmarks.serve_load http://127.0.0.1:3000 [--clients 1 8 32] [--seconds 10]
    python -m benchmarks.serve_load http://127.0.0.1:3000 --vectors 640

Each client sends one query after another, all distinct: texts, or with ``--vectors`` random vectors
of that dimension, which bypass the encoder. The stages are those that the service reports in
``Server-Timing``, queueing included; the rest is HTTP, JSON and the client.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np

Body = dict[str, Any]
WARM_SECONDS = 2
_STAGE = re.compile(r"(\w+);dur=([\d.]+)")
_THINGS = ("bird", "house", "red fruit", "dog", "boat", "tree", "guitar", "bridge")
_PLACES = ("in the snow", "at night", "on a table", "by the sea", "in a garden", "from above")


@dataclass(frozen=True)
class Load:
    """Measurements at one number of clients."""

    clients: int
    qps: float
    latency: np.ndarray
    """Milliseconds, float64 [N]."""
    stages: dict[str, np.ndarray]
    """Milliseconds of each response by stage, float64 [N]; empty if the service gives none."""

    def __str__(self) -> str:
        """Return a line of a table."""
        p50, p95, p99 = np.percentile(self.latency, [50, 95, 99])
        known = {name: float(np.median(values)) for name, values in self.stages.items()}
        if known:
            known["rest"] = float(np.median(self.latency - sum(self.stages.values())))
        said = ", ".join(f"{name} {value:.1f}" for name, value in known.items())
        return (
            f"{self.clients:3} clients: {self.qps:7.1f} queries/s, p50 {p50:6.1f} ms, "
            f"p95 {p95:6.1f} ms, p99 {p99:6.1f} ms" + (f"; medians: {said} ms" if said else "")
        )


def texts(k: int = 10) -> Iterator[Body]:
    """Yield distinct text queries like those people type; they differ from run to run."""
    places = itertools.cycle(itertools.product(_THINGS, _PLACES))
    for number, (thing, place) in enumerate(places, random.randrange(10**6)):
        yield {"text": f"a {thing} number {number} {place}", "k": k}


def vectors(dim: int, k: int = 10) -> Iterator[Body]:
    """Yield distinct vector queries."""
    rng = np.random.default_rng(0)
    while True:
        vector = rng.standard_normal(dim).round(4).tolist()
        yield {"terms": [{"vector": vector}], "k": k}


def load(url: str, bodies: Callable[[], Iterator[Body]], clients: int, seconds: float) -> Load:
    """Return what ``clients`` measure for ``seconds``, after a short warm-up."""
    return asyncio.run(_load(url, bodies(), clients, seconds))


async def _load(url: str, bodies: Iterator[Body], clients: int, seconds: float) -> Load:
    start = time.perf_counter() + WARM_SECONDS
    answers: list[tuple[float, dict[str, float]]] = []

    async def client(session: aiohttp.ClientSession) -> None:
        while (sent := time.perf_counter()) < start + seconds:
            async with session.post(f"{url}/search", json=next(bodies)) as answer:
                await answer.read()
                if answer.status != 200:
                    raise SystemExit(f"{url} answers {answer.status}: {await answer.text()}")
                said = _STAGE.findall(answer.headers.get("Server-Timing", ""))
            if sent >= start:
                taken = (time.perf_counter() - sent) * 1e3
                answers.append((taken, {name: float(value) for name, value in said}))

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        await asyncio.gather(*(client(session) for _ in range(clients)))
    names = answers[0][1]
    return Load(
        clients,
        len(answers) / (time.perf_counter() - start),
        np.array([taken for taken, _ in answers]),
        {name: np.array([stages[name] for _, stages in answers]) for name in names},
    )


def main() -> None:
    """Print a line for each number of clients."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument(
        "--vectors", type=int, metavar="D", help="query by random vectors of dimension D"
    )
    options = parser.parse_args()
    dim = options.vectors
    for clients in options.clients:
        bodies = texts if dim is None else lambda: vectors(dim)
        print(load(options.url, bodies, clients, options.seconds), flush=True)
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
