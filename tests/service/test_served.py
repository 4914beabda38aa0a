"""A running service takes up what is published, and no answer is of two states."""

from __future__ import annotations

import asyncio
import gc
import itertools
import shutil
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

import clipvec
from clipvec import model
from clipvec.config import ChromaConfig, FaissConfig, ServeConfig
from clipvec.index import aliases, published
from clipvec.paths import RowsPaths
from clipvec.service import served as module
from clipvec.service.searcher import Searcher
from clipvec.service.served import Served, Watch
from clipvec.store import Store
from tests.service.conftest import answering
from tests.stores import delete
from tests.waiting import until

CLIENTS, SWITCHES = 4, 10
ONE, TWO = "sample--one", "sample--two"


@pytest.fixture
def root(two_models: Path, tmp_path: Path) -> Path:
    """A copy of `two_models`, to be changed."""
    return Path(shutil.copytree(two_models, tmp_path / "root"))


@pytest.fixture(params=["chroma", "faiss"])
def settings(
    request: pytest.FixtureRequest,
    root: Path,
    served: ServeConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> ServeConfig:
    """Of a service of the alias ``live``, which stands for `ONE`, and looks often."""
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.02)
    monkeypatch.setattr(module, "_READY_SECONDS", 0.0)
    kind = {"chroma": ChromaConfig, "faiss": FaissConfig}[request.param]
    index = kind(str(root / request.param))
    aliases.switch(index, "live", ONE, {})
    return replace(served, index=index, collection="live")


once = pytest.mark.parametrize("settings", ["faiss"], indirect=True)
"""Of what is the same whatever the index."""


@pytest.fixture
def client(settings: ServeConfig) -> Iterator[httpx.Client]:
    watch = Watch(settings)
    with answering(settings, watch.served) as made:
        yield made
    watch.close()


def serves(client: httpx.Client, collection: str) -> bool:
    return bool(client.get("/stats").json()["collection"] == collection)


def answer(client: httpx.Client, text: str) -> list[tuple[str, float]]:
    body = {"text": text, "k": 40, "rerank": True}
    rows = client.post("/search", json=body).raise_for_status().json()
    return [(row["id"], round(row["similarity"], 4)) for row in rows]


def is_closed(searcher: Searcher) -> bool:
    return all(threads._shutdown for threads in searcher._threads)


def test_many_switches_under_load(client: httpx.Client, settings: ServeConfig) -> None:
    texts = [f"picture {number}" for number in range(6)]
    right: dict[str, list[Any]] = {}
    for name in (TWO, ONE):
        aliases.switch(settings.index, "live", name, {})
        until(lambda name=name: serves(client, name))  # type: ignore[misc]
        right[name] = [answer(client, text) for text in texts]
    assert right[ONE][0] != right[TWO][0]
    seen: Counter[str] = Counter()
    ended, guard = threading.Event(), threading.Lock()

    def ask(number: int) -> None:
        with httpx.Client(base_url=client.base_url, timeout=60) as asking:
            while not ended.is_set():
                number = (number + 1) % len(texts)
                found = answer(asking, texts[number])
                whole = [name for name in (ONE, TWO) if found == right[name][number]]
                with guard:
                    seen[whole[0] if whole else "mixed"] += 1

    with ThreadPoolExecutor(CLIENTS) as threads:
        asking = [threads.submit(ask, number) for number in range(CLIENTS)]
        try:
            for turn in range(SWITCHES):
                name = (TWO, ONE)[turn % 2]
                before = seen[name]
                aliases.switch(settings.index, "live", name, {})
                until(lambda name=name, least=before: seen[name] > least)  # type: ignore[misc]
        finally:
            ended.set()
        for each in asking:
            each.result()  # no request failed
    assert seen.keys() == {ONE, TWO}
    assert min(seen.values()) >= SWITCHES // 2
    assert client.get("/readyz").json() == {"waiting": None}


def test_rows_that_are_taken_out_and_added(
    client: httpx.Client, settings: ServeConfig, root: Path
) -> None:
    kind, store = settings.index.kind, root / "store/sample/one"
    options = {"model": "local", "model.name": "one", "sharding.count": 2, "index": kind}
    options |= {"store.root": root / "store", "index.path": root / kind, "allow_partial": True}

    def rows() -> set[int]:
        counted = client.get("/facets").json()["rows"]
        return {client.get("/health").json()["collection_size"], counted}

    first = answer(client, "a bird")
    clipvec.run_index(**options)  # which changes nothing
    delete(Store.open(str(store)), first[0][0])
    clipvec.run_index(**options)
    until(lambda: rows() == {39})
    assert answer(client, "a bird") == first[1:]
    marker = store / "shard-00001/done.json"
    hidden = marker.rename(root / "done.json")
    clipvec.run_index(**options)
    until(lambda: max(rows()) < 39)
    some = answer(client, "a bird")
    assert [row for row in first[1:] if row in some] == some
    hidden.rename(marker)
    clipvec.run_index(**options)
    until(lambda: rows() == {39})
    clipvec.run_index(**options, rebuild=True)
    assert answer(client, "a bird") == first[1:]
    assert client.get(f"/thumbnail/{first[1][0]}").status_code == 200


@once
def test_what_cannot_be_opened_leaves_the_old_one(
    client: httpx.Client,
    settings: ServeConfig,
    root: Path,
    two_models: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    right = answer(client, "a bird")
    weights = two_models / "weights"
    hidden = weights.rename(weights.with_name("hidden"))
    try:
        aliases.switch(settings.index, "live", TWO, {})
        why = "what is published now is not taken up: its model cannot be loaded; see the log"
        until(lambda: client.get("/readyz").json() == {"waiting": why})
    finally:
        hidden.rename(weights)
    (line,) = [record.message for record in caplog.records if "not taken up" in record.message]
    assert line.startswith("not taken up, what was served before goes on: ")
    assert str(weights) in line
    assert client.get("/readyz").status_code == 200
    assert answer(client, "a bird") == right
    gone = root / "faiss" / ONE
    gone.rename(gone.with_name("moved"))
    aliases.switch(settings.index, "live", ONE, {})
    until(lambda: "it cannot be opened" in str(client.get("/readyz").json()["waiting"]))
    assert "the alias live stands for sample--one, which is not in" in caplog.text
    assert answer(client, "a bird") == right
    gone.with_name("moved").rename(gone)
    until(lambda: client.get("/readyz").json() == {"waiting": None})
    aliases.switch(settings.index, "live", TWO, {})
    until(lambda: serves(client, TWO))


@once
def test_another_model_than_the_one_that_was_asked_for(
    settings: ServeConfig, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = replace(settings.model, name="told", pretrained=f"local-dir:{tiny_weights}")
    watch = Watch(replace(settings, model=told))
    monkeypatch.setattr(model, "load_checked", None)  # the one that is in memory will do
    aliases.switch(settings.index, "live", TWO, {})
    until(lambda: watch.served.waiting)
    assert "another model made it" in watch.served.waiting
    with watch.served.hold() as searcher:
        assert searcher.collection.name == ONE
    watch.close()


# a build of FAISS changes nothing of the one before
@pytest.mark.parametrize("settings", ["chroma"], indirect=True)
def test_one_that_is_being_written(
    settings: ServeConfig, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.1)
    watch, table = Watch(settings), RowsPaths(root / "chroma" / TWO)
    table.mark.rename(table.stale)
    aliases.switch(settings.index, "live", TWO, {})
    why = "what is published now is not taken up: it is being written; see the log"
    until(lambda: watch.served.waiting == why)
    for file in (table.stale, *table.both):  # as of an index without rows
        file.unlink()
    until(lambda: not watch.served.waiting)
    with watch.served.hold() as searcher:
        assert searcher.collection.name == TWO
    watch.close()


@once
def test_an_error_that_is_another_each_time(
    settings: ServeConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch, tries = Watch(settings), itertools.count()
    with watch.served.hold() as old:
        pass

    def fail(settings: ServeConfig, known: object) -> Searcher:
        raise MemoryError(f"{next(tries)} MiB are free")

    with monkeypatch.context() as broken:
        broken.setattr(Searcher, "open", fail)
        aliases.switch(settings.index, "live", TWO, {})
        until(lambda: "it cannot be opened" in watch.served.waiting)
        aliases.switch(settings.index, "live", ONE, {})
        until(lambda: not watch.served.waiting)
    assert next(tries) == 2
    assert caplog.text.count("not taken up") == 1
    aliases.switch(settings.index, "live", TWO, {})  # at once, though a minute has not passed
    until(lambda: is_closed(old))
    assert watch.served._use.searcher.collection.name == TWO
    watch.close()


@once
def test_what_was_opened_is_closed_when_it_is_not_wanted(
    settings: ServeConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(settings)
    found, opened = published(settings.index, TWO), []
    with watch.served.hold() as old:
        new = Searcher.open(replace(settings, collection=TWO), old.queries)
    monkeypatch.setattr(Searcher, "open", lambda *_: opened.append(new) or new)
    monkeypatch.setattr(watch, "_published", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        watch._take_up(found)
    assert opened == [new]
    assert is_closed(new)
    watch.close()


@once
def test_all_is_closed_that_can_be(settings: ServeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = Searcher.open(replace(settings, collection=ONE))
    monkeypatch.setattr(searcher.map, "close", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        searcher.close()
    assert is_closed(searcher)
    assert searcher.queries._thread._shutdown


@once
def test_without_a_name_it_stays_with_the_one_of_the_start(
    settings: ServeConfig, caplog: pytest.LogCaptureFixture
) -> None:
    watch = Watch(replace(settings, collection=None))
    newest = watch.served._use.searcher.collection.name
    (other,) = {ONE, TWO} - {newest}
    Path(settings.index.location(other), "index.json").touch()
    aliases.switch(settings.index, "live", ONE, {})
    looked = threading.Event()
    look = watch._look
    watch._look = lambda: (look(), looked.set())  # type: ignore[method-assign]
    assert looked.wait(60)
    with watch.served.hold() as searcher:
        assert searcher.collection.name == newest
    assert "took up" not in caplog.text
    watch.close()


@once
def test_a_request_keeps_its_searcher_to_its_end(settings: ServeConfig) -> None:
    old = Searcher.open(replace(settings, collection=ONE))
    served = Served(old)
    with served.hold() as held, served.hold() as again:
        assert held is again is old
        new = Searcher.open(replace(settings, collection=ONE), old.queries)
        assert new.queries is old.queries
        served.replace(new)
        assert asyncio.run(held.count()) == 40
        with served.hold() as later:
            assert later is new
    until(lambda: is_closed(old))
    vector = asyncio.run(new.queries.text("a bird"))  # the encoder that they share is open
    assert vector.shape == (64,)
    another = Searcher.open(replace(settings, collection=TWO), new.queries)
    assert another.queries is not new.queries
    served.replace(another)
    until(lambda: is_closed(new) and new.queries._thread._shutdown)
    served.close()
    assert is_closed(another)


def test_readiness(
    served: ServeConfig, searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_READY_SECONDS", 0.0)
    with answering(served, searcher) as client:
        ready = client.get("/readyz", headers={"Host": "a-probe.example"})
        assert (ready.status_code, ready.json()) == (200, {"waiting": None})
        assert client.head("/readyz").status_code == 200
        image, text = searcher.queries.encoder.golden()
        monkeypatch.setattr(searcher.queries.encoder, "probe", lambda: (image, text[::-1]))
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {"error": "the service is not ready; see its log"}


def test_nothing_of_the_old_one_stays_in_memory(settings: ServeConfig) -> None:
    watch = Watch(settings)
    with answering(settings, watch.served) as client, without_garbage():
        assert answer(client, "a bird")
        assert client.get("/facets").json()["rows"] == 40
        with watch.served.hold() as searcher:
            old = [weakref.ref(x) for x in (searcher, searcher.queries.encoder)]
            del searcher
        aliases.switch(settings.index, "live", TWO, {})
        until(lambda: serves(client, TWO))
        until(lambda: [ref() for ref in old] == [None, None], seconds=20)
    watch.close()


@contextmanager
def without_garbage() -> Iterator[None]:
    """Search for no garbage, which would hide that something waits for it."""
    gc.disable()
    yield
    gc.enable()
