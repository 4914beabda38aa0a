"""The map: its points, and its page in a real browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Route, expect

from clipvec.config import ChromaConfig, ServeConfig
from clipvec.projection import NOWHERE, StoredProjection
from clipvec.projection.run import run
from clipvec.service import map_points
from clipvec.service.searcher import Searcher
from clipvec.store import Store
from tests.axe import faults
from tests.projection.test_stored import asked
from tests.service.conftest import answering
from tests.service.test_deleted import index
from tests.stores import delete, undo
from tests.waiting import until

Running = tuple[httpx.Client, Store]


@pytest.fixture(scope="module")
def running(
    served: ServeConfig, tiny_sample: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A client of a service whose store got a projection after its start, and the store."""
    root = tmp_path_factory.mktemp("map")
    shutil.copytree(tiny_sample / "store", root / "store")
    index(root)
    settings = replace(served, index=ChromaConfig(str(root / "index")))
    searcher = Searcher.open(settings)
    with answering(settings, searcher) as client:
        missing = client.get("/map/points")
        assert missing.status_code == 404
        command = "clipvec projection dataset.name=sample model.name=local"
        assert missing.json()["error"].endswith(
            f"no map of this collection yet; make it with {command}"
        )
        run(asked(root / "store", "sample", "local"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(map_points, "_SECONDS", 600)  # however long that took
            assert client.get("/map/points").json() == missing.json(), "it is not looked for again"
        searcher.map._looked -= map_points._SECONDS
        yield client, Store.open(f"{root}/store/sample/local")
    searcher.close()


def points(client: httpx.Client) -> np.ndarray:
    """Return the points, uint16 [N, 2]."""
    data = client.get("/map/points").raise_for_status().content
    return np.frombuffer(data, "<u2").reshape(-1, 2)


def find(client: httpx.Client, ids: list[str]) -> list[int]:
    found: list[int] = (
        client.post("/map/find", json={"ids": ids}).raise_for_status().json()["points"]
    )
    return found


def test_points_lead_to_rows_and_back(running: Running) -> None:
    client, store = running
    held = points(client)
    assert len(held) == sum(part.rows for part in store.parts())
    assert held.max() < NOWHERE
    ids = [row["id"] for row in client.post("/search", json={"text": "a bird", "k": 9}).json()]
    numbers = find(client, [*ids, "nobody"])
    assert len(numbers) == 9
    rows = [client.get(f"/map/row/{number}").json() for number in numbers]
    assert [row["id"] for row in rows] == ids
    assert rows[0] == client.get(f"/item/{ids[0]}").json()


def test_numbers_are_those_of_one_map(running: Running) -> None:
    client, store = running
    projection = StoredProjection.read(store.folder)
    assert projection is not None
    named = client.get("/map/points").headers["Clipvec-Map"]
    assert named == projection.rows
    row = client.get("/map/row/5", params={"map": named}).raise_for_status().json()
    asked = {"json": {"ids": [row["id"]]}}
    assert client.post("/map/find", params={"map": named}, **asked).json() == {"points": [5]}
    other = {"map": "of before"}
    for answer in (
        client.get("/map/row/5", params=other),
        client.post("/map/find", params=other, **asked),
    ):
        assert answer.status_code == 409
        assert answer.json()["error"] == "the map is another one now; get /map/points again"


def test_deleted_rows_are_nowhere(running: Running) -> None:
    client, store = running
    before = client.get("/map/points")
    id = client.get("/map/row/5").json()["id"]
    name = delete(store, id)
    until(lambda: points(client)[5].min() == NOWHERE, seconds=2)
    assert (points(client) == NOWHERE).sum() == 2
    assert client.get("/map/row/5").status_code == 404
    assert find(client, [id]) == []
    undo(store, name)
    known = {"If-None-Match": before.headers["ETag"]}
    until(lambda: client.get("/map/points", headers=known).status_code == 304, seconds=2)


@pytest.mark.parametrize("path", ["/map/row/100000", "/map/row/4294967295"])
def test_no_such_point(running: Running, path: str) -> None:
    answer = running[0].get(path)
    assert (answer.status_code, answer.json()) == (
        404,
        {"error": f"there is no point {path[9:]} on the map"},
    )


@pytest.mark.parametrize("path", ["/map/row/-1", "/map/row/x", "/map/row/4294967296"])
def test_no_number(running: Running, path: str) -> None:
    assert running[0].get(path).status_code == 422


def of_before(route: Route) -> None:
    """Answer with points of a map that the service no longer has."""
    answer = route.fetch()
    route.fulfill(response=answer, headers={**answer.headers, "clipvec-map": "of before"})


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_page(running: Running, browser: Browser, theme: Any) -> None:
    client, _ = running
    size = {"width": 1280, "height": 900} if theme == "light" else {"width": 390, "height": 800}
    context = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.route("**/map/points", of_before, times=1)
    page.goto(f"{client.base_url}/")
    page.click("#to-map")
    expect(page.locator("#map-about")).to_contain_text("pictures, like ones close together")
    page.fill("#text", "a bird")
    expect(page.locator("#map-about")).to_contain_text("40 of those found are lit up")
    assert page.url.endswith("/map?q=a+bird")
    assert faults(page) == []

    page.focus("#map-canvas")
    page.keyboard.press("+")
    expect(page.locator("#map-tip")).to_be_visible()
    named = page.locator("#map-tip span").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    expect(page.locator("#view-title")).to_have_text(named)
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]

    page.keyboard.press("0")
    number = find(client, [page.locator("#grid li").first.get_attribute("data-id") or ""])[0]
    x, y = 0.04 + points(client)[number] / 65535 * 0.92
    box = page.locator("#map-canvas").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
    expect(page.locator("#viewer")).to_be_visible()
    assert complaints == []
    context.close()
