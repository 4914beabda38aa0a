"""Processor time that a refused request costs the event loop of the service, which serves everyone.

    python -m benchmarks.refusal_cost [--index data/index] [--requests 40]

The service runs in a thread of this process, of which the kernel tells the time; the client's own
does not count. PYTHONPATH of another checkout measures that one.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import uvicorn
from hydra import compose, initialize_config_dir

from clipvec import config, paths
from clipvec.config import ServeConfig
from clipvec.service.protocol import BoundedProtocol
from clipvec.service.routes import create_app
from clipvec.service.searcher import Searcher
from clipvec.service.served import Served

ROUNDS = 5
"""Of each kind; the least counts, as a busy machine adds to the others."""
SLOW = 50
BYTES = 20
TEXTS, NUMBERS = 4_000, 30_000
_HEAD = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"


def bodies() -> dict[str, bytes]:
    """Return a body of each kind that is refused."""
    given = {
        "no text": {"text": ""},
        f"{TEXTS:,} values in a filter": {"text": "a", "where": {"x": {"$in": ["v"] * TEXTS}}},
        f"{TEXTS:,} unknown keys": {"text": "a", **{f"key{i}": 0 for i in range(TEXTS)}},
        f"{NUMBERS:,} texts": {"text": "a", "where": {"x": {"$in": ["v"] * NUMBERS}}},
        f"{NUMBERS:,} numbers": {"terms": [{"vector": [0.123456] * NUMBERS}]},
    }
    return {"no JSON": b"{"} | {kind: json.dumps(body).encode() for kind, body in given.items()}


@contextmanager
def served(index: str) -> Iterator[tuple[int, Callable[[], float]]]:
    """Yield the port of a service, and what tells the seconds of its thread."""
    with initialize_config_dir(str(paths.CONF_DIR), version_base="1.3"):
        settings = config.read(compose("serve", [f"index.path={index}"]), ServeConfig)
    settings = replace(settings, max_refusals_per_minute=None)
    app = create_app(settings)
    app.state.served = Served(Searcher.open(settings))
    server = uvicorn.Server(uvicorn.Config(app, http=BoundedProtocol, log_level="error", ws="none"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.05)
        assert thread.ident is not None
        clock = time.pthread_getcpuclockid(thread.ident)
        yield listening.getsockname()[1], lambda: time.clock_gettime(clock)
        server.should_exit = True
        thread.join()
    app.state.served.close()


def refused(port: int, body: bytes) -> int:
    """Send a body, and return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/search", body, {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    assert 400 <= status < 500, status
    return status


def mean(port: int, body: bytes, requests: int, spent: Callable[[], float]) -> float:
    """Return the mean seconds of a request."""
    before = spent()
    for _ in range(requests):
        refused(port, body)
    return (spent() - before) / requests


def slowly(port: int, spent: Callable[[], float]) -> tuple[float, float]:
    """Return the seconds for a byte of a body that comes slowly, and for its refusal."""
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(SLOW)]
    for connection in connections:
        connection.sendall(_HEAD)
    time.sleep(1)
    before = spent()
    for _ in range(BYTES):
        for connection in connections:
            connection.sendall(b"{")
        time.sleep(0.05)
    sent = spent()
    for connection in connections:
        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
        connection.close()
    return (sent - before) / SLOW / BYTES, (spent() - sent) / SLOW


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", default="data/index")
    parser.add_argument("--requests", type=int, default=40, help="of a round")
    options = parser.parse_args()
    with served(options.index) as (port, spent):
        for kind, body in bodies().items():
            status = refused(port, body)
            each = min(mean(port, body, options.requests, spent) for _ in range(ROUNDS))
            print(f"{kind}: {len(body):,} bytes, {status}, {each * 1e6:,.0f} microseconds")
        byte, refusal = slowly(port, spent)
        print(f"slow bodies: {byte * 1e6:,.0f} microseconds a byte, 408 {refusal * 1e6:,.0f}")
    print(f"load average {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
