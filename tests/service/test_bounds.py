"""No request, connection or upload holds up the others."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import HTTPException
from PIL import Image
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from clipvec.config import ServeConfig
from clipvec.service import limits, protocol
from clipvec.service.kept import Kept
from clipvec.service.problems import ErrorBodies
from clipvec.service.protocol import BoundedProtocol
from clipvec.service.schema import Query
from clipvec.service.searcher import Searcher
from tests.service.conftest import answering
from tests.waiting import until

JSON = {"content-type": "application/json"}


def image(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(buffer, kind)
    return buffer.getvalue()


def connect(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port), 20)


def everything(connection: socket.socket) -> bytes:
    """Return what the service says before it ends the connection."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:  # it had more to read
        pass
    return b"".join(pieces)


def test_more_values_than_are_read(client: httpx.Client) -> None:
    bodies: dict[str, Any] = {
        "32,768 values": {"text": "a", "where": [0] * limits.MAX_VALUES},
        "4,096 texts and names": {"text": "a", **{f"x{i}": 0 for i in range(limits.MAX_TEXTS)}},
    }
    for most, body in bodies.items():
        answer = client.post("/search", json=body)
        assert answer.status_code == 413
        assert answer.json()["error"] == f"the request has more than {most}"


def test_of_many_mistakes_the_first_is_noted() -> None:
    unknown = {f"x{i}": 0 for i in range(100)}
    for body in (
        {"text": "a", **unknown},
        {"terms": [unknown]},
        {"text": "a", "where": [0] * 100},
    ):
        with pytest.raises(ValidationError) as refused:
            Query.model_validate(body)
        assert refused.value.error_count() <= 2
    assert refused.value.errors()[0]["type"] == "string_type"


def test_a_form_without_parts_is_not_parsed(client: httpx.Client) -> None:
    for path in ("/search_image", "/embed_image", "/search"):
        assert client.post(path, data={f"a{i}": "" for i in range(50_000)}).status_code == 415


def test_headers_are_bounded(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HOLD_SECONDS", 0.2)
    with connect(client) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        try:
            for i in range(1000):
                connection.sendall(b"X-%d: %s\r\n" % (i, b"a" * 1000))
        except ConnectionError:
            pass
        else:
            answer = everything(connection)
            assert answer.startswith(b"HTTP/1.1 400 ")
            assert b"have more than 16 KiB" in answer


@pytest.mark.parametrize("behind", [b"", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_long_headers_that_come_at_once(
    client: httpx.Client, behind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HOLD_SECONDS", 0.2)
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: %s\r\n\r\n"
    with connect(client) as connection:
        connection.sendall(behind + request % (b"a" * 17_000))
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 200 ") == bool(behind)
    assert answer.count(b"HTTP/1.1 400 ") == answer.count(b"have more than 16 KiB") == 1
    with connect(client) as connection:
        connection.sendall(request % (b"a" * 16_000))
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_a_connection_that_asks_nothing_is_closed(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.2)
    for sent in (b"", b"GET /health HTTP/1.1\r\nHost: lo"):
        with connect(client) as connection:
            connection.sendall(sent)
            assert everything(connection) == b""


def test_headers_that_follow_an_answer_slowly(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connect(client) as connection:
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        monkeypatch.setattr(protocol, "HEADER_SECONDS", 0.2)
        connection.sendall(request[:10])
        assert everything(connection) in {b"", b'{"status":"healthy","collection_size":364}'}


def test_an_idle_connection_outlives_those_of_load_balancers(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert protocol.KEEP_SECONDS > 60
    monkeypatch.setattr(protocol, "KEEP_SECONDS", 0.2)  # it is this that counts
    with connect(client) as connection:
        connection.settimeout(4)
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert everything(connection).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_comes_too_slowly(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.2)
    head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with connect(client) as connection:
        connection.sendall(head + b'Content-Length: 100\r\n\r\n{"te')
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"error":"the body came too slowly"}')


def test_one_address_has_some_connections(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get("/health")
    monkeypatch.setattr(protocol, "HOLD_SECONDS", 0.2)
    most = sum(BoundedProtocol._open.values()) + 1
    monkeypatch.setattr(BoundedProtocol, "most", most)
    with connect(client), contextlib.ExitStack() as held:
        started = time.monotonic()
        with connect(client) as refused:
            assert everything(refused).startswith(b"HTTP/1.1 503 ")
        assert time.monotonic() - started >= 0.2
        monkeypatch.setattr(protocol, "HOLD_SECONDS", 60)
        waiting = [held.enter_context(connect(client)) for _ in range(most)]
        until(lambda: BoundedProtocol._open["127.0.0.1"] == 2 * most)
        with connect(client) as one_more:
            assert everything(one_more) == b""
        assert client.get("/health").status_code == 200
        assert waiting


def test_who_sends_what_is_refused_waits(
    served: ServeConfig, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is read; the page and the probes are there all the same."""
    monkeypatch.setattr(protocol, "HOLD_SECONDS", 0.2)
    with answering(replace(served, max_refusals_per_minute=1), searcher) as client:
        assert client.get("/thumbnail/nobody").status_code == 404
        assert client.post("/search", json={"text": ""}).status_code == 422
        started = time.monotonic()
        refused = client.post("/search", json={"text": "a bird"})
        assert time.monotonic() - started >= 0.2
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
        reason = "1 request of this address in a minute had to be refused"
        assert refused.json()["error"].startswith(reason)
        monkeypatch.setenv("CLIPVEC_API_KEY", "secret")
        assert client.get("/stats", headers={"X-API-Key": "wrong"}).status_code == 429
        assert client.get("/stats", headers={"X-API-Key": "secret"}).status_code == 200
        for path in ("/", "/health", "/page/main.js"):
            assert client.get(path).status_code == 200


def test_a_burst_of_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals, now = limits.RefusalLimit(600), 1e9
    monkeypatch.setattr(time, "time", lambda: now)
    for _ in range(30):
        refusals.check("10.0.0.5")
        refusals.count("10.0.0.5")
    with pytest.raises(HTTPException, match="30 requests of this address in a second") as refused:
        refusals.check("10.0.0.5")
    assert refused.value.headers == {"Retry-After": "1"}
    refusals.check("10.0.0.6")
    now += 2
    refusals.check("10.0.0.5")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:3000", 200),
        ("photos.localhost", 200),
        ("127.0.0.1:3000", 200),
        ("10.0.0.5", 200),
        ("[::1]:3000", 200),
        (socket.gethostname(), 200),
        ("Photos.Example.org:443", 200),
        ("rebound.example", 421),
        ("127.0.0.1.rebound.example", 421),
        ("localhost:3977@rebound.example", 421),
        ("[::1]@rebound.example", 421),
    ],
)
def test_hosts(served: ServeConfig, searcher: Searcher, host: str, status: int) -> None:
    with answering(replace(served, allowed_hosts=["photos.example.org"]), searcher) as client:
        answer = client.get("/stats", headers={"Host": host})
    assert answer.status_code == status
    assert status == 200 or "allowed_hosts=[name]" in answer.json()["error"]


def test_any_host_with_a_key(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPVEC_API_KEY", "secret")
    headers = {"Host": "anything.example", "X-API-Key": "secret"}
    assert client.get("/stats", headers=headers).status_code == 200


def test_nobody_is_sent_to_another_host(client: httpx.Client) -> None:
    for path in ("/search/", "/page", "/docs/"):
        answer = client.get(path, headers={"Host": "localhost"})
        assert answer.status_code in {404, 405}
        assert "location" not in answer.headers


def test_nor_by_what_is_around_the_application() -> None:
    """BentoML's own application redirects as this one does."""
    outer = Starlette(routes=[Route("/search", lambda _: Response("found"))])
    transport = httpx.ASGITransport(ErrorBodies(outer))

    async def ask(path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get(path, headers={"Host": "evil.example"})

    assert asyncio.run(ask("/search")).text == "found"
    answer = asyncio.run(ask("/search/"))
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("there is nothing at this path")
    assert "location" not in answer.headers


def test_the_documentation_runs_its_own_scripts_alone(client: httpx.Client) -> None:
    policy = client.get("/docs").headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "frame-ancestors 'none'" in policy


def test_many_who_ask_whether_it_is_ready_are_one() -> None:
    asked = 0

    async def ask() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return asked

    async def many(seconds: float) -> list[int]:
        kept = Kept(ask, seconds)
        return [*await asyncio.gather(*(kept() for _ in range(50))), await kept()]

    assert asyncio.run(many(60)) == [1] * 51
    assert asyncio.run(many(0))[-1] == 52


def test_images_that_announce_much_work_hold_up_no_others(
    client: httpx.Client, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder waits for an event, in place of a file that makes a real one slow."""
    go_on = threading.Event()
    reader = searcher.queries._decoder._reader
    apart = reader.apart

    def slow(data: bytes) -> Any:
        assert go_on.wait(60)
        return apart(data)

    monkeypatch.setattr(reader, "apart", slow)

    def send(kind: str) -> int:
        return client.post("/search_image", files={"image": ("x", image(kind))}).status_code

    many = 8 + reader.processes
    with ThreadPoolExecutor(many) as threads:
        waiting = [threads.submit(send, "TIFF") for _ in range(many)]
        until(lambda: searcher.queries._decoder._waiting == many)
        assert send("JPEG") == 200
        assert send("TIFF") == 429
        go_on.set()
        assert {answer.result() for answer in waiting} == {200}


def test_images_in_base64_of_every_kind(client: httpx.Client) -> None:
    data = image("JPEG")
    plain = base64.b64encode(data).decode()
    rows = []
    for text in (
        plain,
        base64.encodebytes(data).decode(),
        base64.urlsafe_b64encode(data).decode().rstrip("="),
        f"data:image/jpeg;base64,{plain}",
    ):
        answer = client.post("/search", json={"terms": [{"image": text}], "k": 3})
        assert answer.status_code == 200
        rows.append(answer.json())
    assert rows == rows[:1] * 4
    answer = client.post("/search", json={"terms": [{"image": "data:image/png,%89PNG"}]})
    assert answer.status_code == 422
    assert "data:image/...;base64," in answer.json()["error"]
