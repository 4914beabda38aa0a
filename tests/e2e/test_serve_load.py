"""``bentoml serve`` under a crowd of clients, some of them bad, and under a fuzzer."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from PIL import Image

from tests.e2e.serving import free_port, start, wait_ready

CLIENTS, REQUESTS, ROUNDS = 64, 20, 6
"""A leak grows in every round; what torch caches per batch size, and heap fragmentation, do not."""
ROOM = 64 * 2**20
"""Bytes; if kept, the uploads of a single round would be hundreds of megabytes."""

Ask = Callable[[httpx.Client], httpx.Response]


def posted(path: str, **body: Any) -> Ask:
    return lambda client: client.post(path, json=body)


def uploaded(content: bytes) -> Ask:
    return lambda client: client.post("/search_image", files={"image": content})


def encoded(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def bad_requests() -> dict[str, tuple[Ask, int]]:
    """Return requests that must be refused, with the expected status."""
    bomb = encoded(Image.new("1", (30_000, 30_000)), "PNG")
    image = encoded(Image.new("RGB", (64, 48), "red"), "JPEG")
    text = {"content-type": "text/plain"}
    return {
        "empty": (posted("/search", text=""), 422),
        "long": (posted("/search", text="a" * 100_000), 422),
        "control": (posted("/search", text="a\x00\x1bbird"), 422),
        "k=0": (posted("/search", text="a bird", k=0), 422),
        "k=-1": (posted("/search", text="a bird", k=-1), 422),
        "k=10000": (posted("/search", text="a bird", k=10_000), 422),
        "where": (posted("/search", text="a bird", where=["colour=red"]), 422),
        "id": (posted("/similar", id="none"), 404),
        "path": (lambda client: client.get("/thumbnail/..%2F..%2F..%2Fetc%2Fpasswd"), 404),
        "broken": (uploaded(image[:200]), 422),
        "bomb": (uploaded(bomb), 422),
        "text": (uploaded(b"not an image"), 422),
        "huge": (uploaded(bytes(21_000_000)), 413),
        "type": (lambda client: client.post("/search", content="a bird", headers=text), 415),
        "json": (lambda client: client.post("/search", content="{", headers=JSON), 422),
    }


JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def server(
    tiny_sample: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, psutil.Process]]:
    """URL and process of a service for this module only."""
    port, log = free_port(), tmp_path_factory.mktemp("load") / "log"
    process = start(f"index.path={tiny_sample}/index max_refusals_per_minute=null", port, log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_ready(url, process, log)
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def memory(process: psutil.Process) -> int:
    """Return the resident bytes of a process and its descendants."""
    return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)])


class Crowd:
    """Clients that send `REQUESTS` each, every tenth of them bad."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bad = bad_requests()
        self.image = encoded(Image.new("RGB", (320, 240), "orange"), "JPEG")
        self.rngs = [random.Random(number) for number in range(CLIENTS)]
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.guard = threading.Lock()

    def ask(self) -> None:
        """Send a round of requests, all clients at once."""
        with ThreadPoolExecutor(CLIENTS) as threads:
            list(threads.map(self.client, range(CLIENTS)))

    def client(self, number: int) -> None:
        """Send one request after another, none of them as in an earlier round."""
        rng = self.rngs[number]
        with httpx.Client(base_url=self.url, timeout=120) as asking:
            for turn in range(REQUESTS):
                if turn % 10 == number % 10:
                    name = rng.choice(sorted(self.bad))
                    ask, status = self.bad[name]
                elif turn % 10 == (number + 5) % 10:
                    name, ask, status = "image", uploaded(self.image), 200
                else:
                    text = f"image {rng.randrange(100_000)} of client {number}"
                    name, ask, status = "good", posted("/search", text=text, k=20), 200
                answer = ask(asking)
                said = "" if status == 200 else answer.json()["error"]
                with self.guard:
                    self.counts["bad" if status != 200 else "good"] += 1
                    if answer.status_code != status or (status != 200 and not 5 < len(said) < 301):
                        self.wrong.append(f"{name}: {answer.status_code} {answer.text[:200]}")


@pytest.mark.timeout(400)
def test_a_crowd_with_a_tenth_of_bad_requests(server: tuple[str, psutil.Process]) -> None:
    url, process = server
    crowd = Crowd(url)
    grown = []
    while len(grown) < 2 or (len(grown) < ROUNDS and grown[-1] >= ROOM):
        before = memory(process)
        crowd.ask()
        grown.append(memory(process) - before)
    assert crowd.wrong == []
    assert crowd.counts["good"] > CLIENTS
    assert crowd.counts["bad"] == pytest.approx(sum(crowd.counts.values()) / 10, rel=0.5)
    assert grown[-1] < ROOM, grown


def test_the_documented_interface_holds_under_a_fuzzer(
    server: tuple[str, psutil.Process], tmp_path: Path
) -> None:
    """Schemathesis, given the OpenAPI document, finds no fault and no undocumented response."""
    checks = "not_a_server_error,status_code_conformance,content_type_conformance"
    done = subprocess.run(
        [
            *(Path(sys.executable).with_name("schemathesis"), "run", f"{server[0]}/openapi.json"),
            *("--checks", f"{checks},response_schema_conformance,negative_data_rejection"),
            *("--phases", "coverage,fuzzing", "--max-examples", "30", "--seed", "0"),
            *("--continue-on-failure", "--no-color"),
        ],
        cwd=tmp_path,  # it leaves its findings there
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "14 selected / 14 total" in done.stdout
