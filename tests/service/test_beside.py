"""The answers of another model, beside those of the one that is served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

import clipvec
from clipvec.config import FaissConfig, ServeConfig
from clipvec.errors import ConfigError
from clipvec.service.served import Watch
from tests.axe import faults
from tests.service.conftest import answering

ONE, TWO = "sample--one", "sample--two"


@pytest.fixture(scope="module")
def settings(served: ServeConfig, two_models: Path) -> ServeConfig:
    index = FaissConfig(str(two_models / "faiss"))
    return replace(served, index=index, collection=ONE, beside=TWO)


@pytest.fixture(scope="module")
def client(settings: ServeConfig) -> Iterator[httpx.Client]:
    watch = Watch(settings)
    beside = watch.beside()
    assert beside is not None
    with answering(settings, watch.served, beside.served) as made:
        yield made
    beside.close()
    watch.close()


def ids(client: httpx.Client, path: str, **body: Any) -> list[str]:
    found = client.post(path, json={"k": 10, **body}).raise_for_status().json()
    return [row["id"] for row in found]


def test_each_collection_has_an_encoder_of_its_own(client: httpx.Client, two_models: Path) -> None:
    for path, name in (("", ONE), ("/beside", TWO)):
        options = {"index": "faiss", "collection": name}
        with clipvec.open_index(two_models / "faiss", **options) as index:
            right = [hit.id for hit in index.search("a red bird")]
        assert ids(client, f"{path}/search", text="a red bird") == right
        stats = client.get(f"{path}/stats").json()
        assert (stats["collection"], stats["compared"]) == (name, True)
    assert ids(client, "/search", text="a red bird") != ids(
        client, "/beside/search", text="a red bird"
    )
    assert client.get("/readyz").json() == {"waiting": None}
    row = ids(client, "/beside/search", text="a red bird")[0]
    for path in (f"thumbnail/{row}", f"item/{row}"):
        assert client.get(f"/beside/{path}").content == client.get(f"/{path}").content
    assert not any(
        path.startswith("/beside") for path in client.get("/openapi.json").json()["paths"]
    )


def test_queries_of_both_count(settings: ServeConfig, client: httpx.Client) -> None:
    watch = Watch(replace(settings, beside=None))
    few = replace(settings, max_queries_per_minute=1)
    with answering(few, watch.served, watch.served) as made:
        codes = [made.get(f"{path}/facets").status_code for path in ("/beside", "/beside", "")]
    watch.close()
    assert codes == [200, 429, 429]


def test_there_is_nothing_beside_unless_it_is_named(
    served: ServeConfig, settings: ServeConfig
) -> None:
    watch = Watch(replace(settings, beside=None))
    assert watch.beside() is None
    with answering(served, watch.served) as made:
        assert made.get("/beside/stats").status_code == 404
        assert made.get("/stats").json()["compared"] is False
    watch.close()


def test_what_is_not_to_be_compared(settings: ServeConfig) -> None:
    watch = Watch(replace(settings, beside=ONE))
    with pytest.raises(ConfigError, match=f"^beside={ONE} is what is served already$"):
        watch.beside()
    watch.close()


def test_page(client: httpx.Client, browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{client.base_url}/")
    page.fill("#text", "a red bird")
    page.click("#to-compare")
    columns = page.locator("#columns section")
    expect(columns.locator("h2")).to_have_text(["one", "two"])
    found = [ids(client, f"{path}/search", text="a red bird", k=40) for path in ("", "/beside")]
    expect(page.locator("#beside-grid li")).to_have_count(40)
    expect(page.locator("#beside-said")).to_have_text("● 40 of 40 are found by both")
    for grid, right in zip(("#grid", "#beside-grid"), found, strict=True):
        shown = page.locator(f"{grid} li").evaluate_all("(all) => all.map((li) => li.dataset.id)")
        assert shown == right
    assert page.url.endswith("/compare?q=a+red+bird")
    images = page.locator("#beside-grid img")
    images.first.scroll_into_view_if_needed()
    expect(images.first).to_have_js_property("complete", True)
    assert images.first.evaluate("(image) => image.naturalWidth") > 0
    assert faults(page) == []
    page.locator("#beside-grid .image").first.click()
    expect(page.locator("#view-title")).not_to_be_empty()
    page.keyboard.press("Escape")

    page.fill("#text", "")
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "red.png")
    page.set_input_files("#file", tmp_path / "red.png")
    expect(page.locator("#terms li")).to_have_count(1)
    expect(page.locator("#beside-grid li")).to_have_count(40)
    expect(page.locator("#beside-said")).to_have_text("● 40 of 40 are found by both")
    page.reload()
    expect(page.locator("#beside-said")).to_contain_text("drop it here again")
    expect(page.locator("#beside-grid li, .both")).to_have_count(0)
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#to-compare")
    expect(page.locator("#beside")).to_be_hidden()
    assert complaints == []
    context.close()
