"""Latency of good clients of a running service while others ask for too much.

    python -m benchmarks.serve_attacks http://127.0.0.1:3000 [--seconds 20] [--only slow nothing]

Good clients send distinct texts, then images, from 127.0.0.1; a process of its own attacks from
127.0.0.2, which is another address to the service. It runs at the lowest priority, as attackers
have processors of their own. Each line compares with the calm before it; ``nothing`` is no attack,
and says how far two calm measurements of a busy machine are apart.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import itertools
import json
import multiprocessing
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import numpy as np
from PIL import Image

from benchmarks.serve_load import Body, load, texts

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

ATTACKER = "127.0.0.2"
ATTACKERS = 4
SLOW = 200
TEXTS = 4_000
"""A little fewer than a body may have."""
_HEAD = b"POST /search HTTP/1.1\r\nHost: localhost\r\n"
_JSON = {"content-type": "application/json"}

Session = aiohttp.ClientSession
Attack = Callable[[Session, str], Awaitable[Any]]


def images(k: int = 10) -> Iterator[Body]:
    """Yield distinct image queries: JPEGs of 500 x 375 pixels."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (25, 33, 3), dtype=np.uint8)
    for number in itertools.count():
        picture = Image.fromarray(np.roll(small, number, axis=1)).resize((500, 375))
        yield {"terms": [{"image": base64.b64encode(_encoded(picture, "JPEG")).decode()}], "k": k}


def _encoded(image: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def _posting(body: bytes) -> Attack:
    async def attack(session: Session, url: str) -> None:
        async with session.post(f"{url}/search", data=body, headers=_JSON) as answer:
            await answer.read()

    return attack


def _uploading(file: bytes) -> Attack:
    async def attack(session: Session, url: str) -> None:
        form = aiohttp.FormData()
        form.add_field("image", file, filename="a.png")
        async with session.post(f"{url}/search_image", data=form) as answer:
            await answer.read()

    return attack


async def _nothing(session: Session, url: str) -> None:
    await asyncio.sleep(1)


async def _long_headers(session: Session, url: str) -> None:
    async with session.get(f"{url}/readyz", headers={"x-long": "a" * 60_000}) as answer:
        await answer.read()


def _slowly(begun: bytes) -> Attack:
    """Send something and then a byte a second, until the service ends the connection."""

    async def attack(session: Session, url: str) -> None:
        place = urlsplit(url)
        reader, writer = await asyncio.open_connection(
            place.hostname, place.port, local_addr=(ATTACKER, 0)
        )
        writer.write(begun)
        with suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"{")
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(4096), 1)
        writer.close()

    return attack


def attacks() -> dict[str, tuple[Attack, int]]:
    """Return each attack, and how many do it at once."""
    wide = np.linspace(0, 255, 24_000_000, dtype=np.uint8).reshape(4000, 6000)
    listed = {"text": "a", "where": {"category": {"$in": [f"v{i}" for i in range(TEXTS)]}}}
    unknown = {"text": "a", **{f"key{i}": 0 for i in range(TEXTS)}}
    return {
        "nothing": (_nothing, ATTACKERS),
        "slow bodies": (_slowly(_HEAD + b"Content-Length: 1000\r\n\r\n"), SLOW),
        "slow headers": (_slowly(_HEAD), SLOW),
        "requests that are refused": (_posting(b"{"), ATTACKERS),
        "long headers": (_long_headers, ATTACKERS),
        f"{TEXTS:,} values in a filter": (_posting(json.dumps(listed).encode()), ATTACKERS),
        f"{TEXTS:,} unknown keys": (_posting(json.dumps(unknown).encode()), ATTACKERS),
        "PNGs of 24 megapixels": (_uploading(_encoded(Image.fromarray(wide), "PNG")), ATTACKERS),
        "files that are no images": (_uploading(os.urandom(1_000_000)), ATTACKERS),
    }


@contextmanager
def _attacked(name: str | None, url: str) -> Iterator[None]:
    """Attack from another process meanwhile."""
    if name is None:
        yield
        return
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_attack, args=(name, url, ready))
    process.start()
    try:
        ready.wait()
        yield
    finally:
        process.kill()
        process.join()


def _give_way() -> None:
    """Lower the priority of this process below every other.

    Linux shares out its processors by sessions first, where it groups them: nice counts within one.
    """
    os.setsid()
    os.nice(19)
    with suppress(FileNotFoundError):
        Path("/proc/self/autogroup").write_text("19")


def _attack(name: str, url: str, ready: Event) -> None:
    _give_way()
    attack, at_once = attacks()[name]
    ready.set()

    async def again(session: Session) -> None:
        while True:
            with suppress(aiohttp.ClientError, OSError):
                await attack(session, url)

    async def all_at_once() -> None:
        connector = aiohttp.TCPConnector(limit=0, local_addr=(ATTACKER, 0))
        async with Session(connector=connector) as session:
            await asyncio.gather(*(again(session) for _ in range(at_once)))

    asyncio.run(all_at_once())


def main() -> None:
    """Print a line for each attack and kind of query."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", nargs="+", help="attacks, by the beginnings of their names")
    options = parser.parse_args()
    names = [name for name in attacks() if name.startswith(tuple(options.only or [""]))]
    for name in names:
        for kind, bodies in (("texts", texts), ("images", images)):
            p50, p99 = zip(
                *(_percentiles(options, bodies, attack) for attack in (None, name)),
                strict=True,
            )
            print(
                f"{name}, {kind}: p50 {p50[0]:.0f} -> {p50[1]:.0f} ms, "
                f"p99 {p99[0]:.0f} -> {p99[1]:.0f} ms ({p99[1] / p99[0]:.1f} x)",
                flush=True,
            )
    print(f"load average {os.getloadavg()[0]:.1f}")


def _percentiles(
    options: argparse.Namespace, bodies: Callable[[], Iterator[Body]], attack: str | None
) -> tuple[float, float]:
    with _attacked(attack, options.url):
        measured = load(options.url, bodies, options.clients, options.seconds)
    p50, p99 = np.percentile(measured.latency, [50, 99])
    return float(p50), float(p99)


if __name__ == "__main__":
    main()
