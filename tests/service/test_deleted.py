"""A running service leaves out rows that are deleted from the store."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

import clipvec
from clipvec.config import ChromaConfig, ServeConfig
from clipvec.service.searcher import Searcher
from clipvec.store import Rows, Store
from tests.service.conftest import answering
from tests.stores import delete, edit, undo
from tests.waiting import until


def index(root: Path) -> None:
    options = {"store.root": root / "store", "index.path": root / "index"}
    clipvec.run_index(model="local", sharding="x1", **options)


@pytest.fixture
def settings(served: ServeConfig, tiny_sample: Path, tmp_path: Path) -> ServeConfig:
    """Of a service of an index of a store, both of which may be changed."""
    shutil.copytree(tiny_sample / "store", tmp_path / "store")
    index(tmp_path)
    return replace(served, index=ChromaConfig(str(tmp_path / "index")))


@pytest.fixture
def running(settings: ServeConfig, tmp_path: Path) -> Iterator[tuple[httpx.Client, Store]]:
    """A client of a service of a store, and that store."""
    searcher = Searcher.open(settings)
    with answering(settings, searcher) as client:
        yield client, Store.open(f"{tmp_path}/store/sample/local")
    searcher.close()


def test_within_two_seconds(running: tuple[httpx.Client, Store]) -> None:
    client, store = running

    def ids(route: str, **query: object) -> list[str]:
        return [row["id"] for row in client.post(route, json=query).raise_for_status().json()]

    found = ids("/search", text="a bird", k=3)
    gone, kept = found[0], found[1]
    image = client.get(f"/thumbnail/{gone}")
    assert image.status_code == 200
    assert image.headers["Cache-Control"] == "public, no-cache"
    name = delete(store, gone)
    until(lambda: client.get(f"/item/{gone}").status_code == 404, seconds=2)
    known = {"If-None-Match": image.headers["ETag"]}
    assert client.get(f"/thumbnail/{gone}", headers=known).status_code == 404
    assert client.post("/similar", json={"id": gone}).status_code == 404
    assert gone not in ids("/similar", id=kept, k=300)
    assert ids("/search", text="a bird", k=2) == found[1:]
    undo(store, name)
    until(lambda: client.get(f"/thumbnail/{gone}", headers=known).status_code == 304, seconds=2)
    assert ids("/search", text="a bird", k=3) == found
    edit(Path(store.url, "tombstones", f"{delete(store, kept)}.json"), reason="another")
    why = "deletions that cannot be read are not honoured, the others are; the log names them"
    until(lambda: client.get("/readyz").json() == {"waiting": why})
    delete(store, gone)
    until(lambda: client.get(f"/item/{gone}").status_code == 404, seconds=2)


def test_ready_where_every_row_is_deleted(settings: ServeConfig, tmp_path: Path) -> None:
    searcher = Searcher.open(settings)
    ids = Rows.open(f"{tmp_path}/store/sample/local").ids(np.arange(searcher.collection.count()))
    delete(Store.open(f"{tmp_path}/store/sample/local"), *ids.tolist())
    until(lambda: searcher.collection.get(ids.tolist()) == {}, seconds=2)
    assert asyncio.run(searcher.ready())
    searcher.close()
