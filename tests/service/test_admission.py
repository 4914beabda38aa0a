"""Admission control and request metrics."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from prometheus_client import REGISTRY, generate_latest

from clipvec.config import ServeConfig
from clipvec.service.searcher import Searcher
from tests.service.conftest import answering

ID = "sample-0002/0133"
JSON = {"content-type": "application/json"}


def test_a_key(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "aé+b/c=="
    monkeypatch.setenv("CLIPVEC_API_KEY", key)
    refused = client.get("/stats")
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert refused.json()["error"] == "an API key is needed: Authorization: Bearer <key>"
    for headers in (
        {"X-API-Key": "wrong"},
        {"Authorization": "Bearer wrong"},
        {"Cookie": f"clipvec_key={quote('wrong')}"},
        {"X-API-Key": key[:-1]},
    ):
        answer = client.get("/stats", headers=[(k, v.encode()) for k, v in headers.items()])
        assert answer.status_code == 401
        assert answer.json()["error"].startswith("the API key is wrong: ")
    assert client.get("/stats", headers={"Authorization": "a"}).status_code == 401
    for headers in (
        {"X-API-Key": key},
        {"Authorization": f"Bearer {key}"},
        {"Authorization": f"bearer  {key}"},
        {"Authorization": "Basic YTpi", "X-API-Key": key},
        {"Cookie": f"clipvec_key={quote(key, safe='')}"},
    ):
        answer = client.get("/stats", headers=[(k, v.encode()) for k, v in headers.items()])
        assert answer.status_code == 200, headers
    # A header without its scheme is no key.
    monkeypatch.setenv("CLIPVEC_API_KEY", "secret")
    assert client.get("/stats", headers={"Authorization": "secret"}).status_code == 401


def test_endpoints_without_a_key(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPVEC_API_KEY", "secret")
    for path in ("/", "/map", "/page/main.js", "/docs", "/openapi.json", "/health"):
        assert client.get(path).status_code == 200
    for path in (f"/item/{ID}", f"/thumbnail/{ID}", "/stats", "/map/points"):
        assert client.get(path).status_code == 401


def test_without_the_key_no_body_is_read(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIPVEC_API_KEY", "secret")
    assert client.post("/search", content=b"{", headers=JSON).status_code == 401
    large = iter([b"x" * 600_000] * 3)  # and over max_body_bytes
    assert client.post("/search_image", content=large).status_code == 401
    assert client.post("/search", json={"text": ""}).status_code == 401


def test_more_queries_than_allowed(served: ServeConfig, searcher: Searcher) -> None:
    with answering(replace(served, max_queries_per_minute=3), searcher) as client:
        bodies = [b'{"text": "a bird"}', b"{", b'{"text": ""}', b"{", b'{"text": "a bird"}']
        answers = [client.post("/search", content=body, headers=JSON) for body in bodies]
        assert [answer.status_code for answer in answers] == [200, 422, 422, 429, 429]
        refused = answers[-1]
        assert refused.json()["error"].startswith("at most 3 queries a minute are answered")
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert client.get(f"/item/{ID}").status_code == 200
        assert client.get("/facets").status_code == 429


def test_more_requests_at_once_than_allowed(
    served: ServeConfig, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = threading.Event(), threading.Event()
    encode = searcher.queries.encoder.encode_texts

    def slow(texts: Any) -> np.ndarray:
        entered.set()
        assert go_on.wait(30)
        return encode(texts)

    monkeypatch.setattr(searcher.queries.encoder, "encode_texts", slow)
    before = rejects("429")
    with (
        answering(replace(served, max_concurrency=1), searcher) as client,
        ThreadPoolExecutor(1) as threads,
    ):
        first = threads.submit(client.post, "/search", json={"text": "a slow query"})
        assert entered.wait(30)
        refused = client.post("/search", json={"text": "another one"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        said = "at most 1 requests are answered at once; retry"
        assert refused.json() == {"error": said}
        for path in ("/", "/page/main.js", "/page/page.css"):
            assert client.get(path).status_code == 200
        go_on.set()
        assert first.result().status_code == 200
        assert client.get("/stats").status_code == 200
    assert rejects("429") == before + 1


def rejects(reason: str) -> float:
    """Return the number of rejected requests so far."""
    return REGISTRY.get_sample_value("clipvec_rejects_total", {"reason": reason}) or 0.0


def test_request_metrics(client: httpx.Client) -> None:
    before = rejects("413")
    client.post("/search", content=b"x" * 1_000_001, headers=JSON)
    assert rejects("413") == before + 1
    client.get("/page/main.js")
    said = generate_latest().decode()
    assert 'clipvec_requests_total{endpoint="other",status="413"}' in said
    assert 'endpoint=""' not in said
