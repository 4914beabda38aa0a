"""The answers of another model, beside those of the one that is served."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

import clipvec
from clipvec.config import FaissConfig, ServeConfig
from clipvec.errors import ConfigError
from clipvec.service.served import Served, Watch
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
    vectors = [
        client.post(f"{path}/embed_text", json={"texts": ["x"]}).json()["vectors"][0]
        for path in ("", "/beside")
    ]
    assert abs(np.dot(*vectors)) < 0.9
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


def test_what_is_not_to_be_compared(
    settings: ServeConfig, two_models: Path, tmp_path: Path
) -> None:
    watch = Watch(replace(settings, beside=ONE))
    with pytest.raises(ConfigError, match=f"^beside={ONE}: it is the collection that is served"):
        watch.beside()
    watch.close()
    index = shutil.copytree(two_models / "faiss", tmp_path / "faiss")
    of_another: dict[str, object] = {
        **{"model": "local", "model.pretrained": f"local-dir:{two_models / 'weights'}"},
        **{"model.name": "two", "dataset.name": "other", "dataset.limit": 5, "sharding.count": 1},
        "store.root": tmp_path / "store",
    }
    clipvec.run_embed(**of_another)
    clipvec.run_index(**of_another, index="faiss", **{"index.path": index})
    watch = Watch(replace(settings, index=FaissConfig(str(index)), beside="other--two"))
    with pytest.raises(ConfigError, match=r"beside=other--two: it is of another dataset than"):
        watch.beside()
    watch.close()


def test_what_is_served_does_not_fail_with_it(settings: ServeConfig, client: httpx.Client) -> None:
    watch = Watch(replace(settings, beside=None))

    class Failing(Served):
        def __init__(self, served: Served) -> None:
            self._served, self.waiting = served, ""

        async def ready(self) -> bool:
            return False

        def hold(self) -> Any:
            return self._served.hold()

    with answering(settings, watch.served, Failing(watch.served)) as made:
        answer = made.get("/readyz")
    same = answering(settings, watch.served, watch.served)
    unopened = answering(settings, watch.served)
    with same as one, unopened as other:
        waiting = [each.get("/readyz").json()["waiting"] for each in (one, other)]
        refused = other.post("/beside/search", json={"text": "a bird"})
    watch.close()
    assert answer.status_code == 200
    assert answer.json() == {"waiting": "beside: it does not answer; see the log"}
    assert waiting == [
        "beside: it is the collection that is served",
        "beside: it could not be opened at the start; see the log",
    ]
    assert refused.status_code == 503


@pytest.fixture
def page(client: httpx.Client, browser: Browser) -> Iterator[Page]:
    """A page that compares, with nothing asked yet."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{client.base_url}/compare")
    yield page
    assert complaints == []
    context.close()


def shown(page: Page, grid: str) -> list[str]:
    """Return the ids of the pictures in a column."""
    ids: list[str] = page.locator(f"{grid} li").evaluate_all(
        "(all) => all.map((li) => li.dataset.id)"
    )
    return ids


def test_page(client: httpx.Client, page: Page) -> None:
    page.goto(f"{client.base_url}/?q=a+bird&from=0.04")
    page.click("#to-compare")
    expect(page.locator("#columns h2")).to_have_text(["one", "two"])
    asked = {"text": "a bird", "k": 40, "min_score": 0.04}
    one, two = (ids(client, f"{path}/search", **asked) for path in ("", "/beside"))
    both = {*one} & {*two}
    assert 0 < len(both) < len(two)
    said = page.locator("#beside-said")
    expect(said).to_contain_text(f"● {len(both)} of {len(two)} are found by both; each model has")
    assert (shown(page, "#grid"), shown(page, "#beside-grid")) == (one, two)
    for grid in ("#grid", "#beside-grid"):
        marked = page.locator(f"{grid} .both").evaluate_all("(x) => x.map((li) => li.dataset.id)")
        assert {*marked} == both
    expect(page.get_by_role("link", name=", found by both")).to_have_count(2 * len(both))
    image = page.locator("#beside-grid img").first
    expect(image).to_have_js_property("complete", True)
    assert "/beside/thumbnail/" in str(image.evaluate("(image) => image.src"))
    assert image.evaluate("(image) => image.naturalWidth") > 0
    assert faults(page) == []

    first, second = page.locator("#beside-grid .image").all()[:2]
    first.press("ArrowRight")
    expect(second).to_be_focused()
    second.press("Enter")
    expect(page.locator("#view-place")).to_have_text(f"2 of {len(two)}")
    page.keyboard.press("Escape")
    expect(second).to_be_focused()
    second.press("x")
    expect(page.locator("#selected-count")).to_have_text("1 selected")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.click("#to-compare")
    expect(page.locator("#beside")).to_be_hidden()


def test_an_image_is_encoded_by_both(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (200, 30, 30)).save(tmp_path / "red.png")
    page.set_input_files("#file", tmp_path / "red.png")
    said = page.locator("#beside-said")
    expect(said).to_have_text("● 40 of 40 are found by both")
    page.locator("#beside-grid .image").first.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    page.keyboard.press("Escape")  # which goes back, to a link that has one vector alone
    expect(page.locator("#viewer")).to_be_hidden()
    page.fill("#text", "a bird")
    expect(page.locator("#beside-grid:not(.stale)")).to_be_visible()
    expect(said).to_have_text("● 40 of 40 are found by both")
    page.reload()
    expect(said).to_contain_text("drop it here again")
    expect(page.locator("#beside-grid li, .both")).to_have_count(0)


def test_no_answer_of_before_stays(page: Page) -> None:
    page.fill("#text", "a red bird")
    said = page.locator("#beside-said")
    expect(said).to_have_text("● 40 of 40 are found by both")
    page.route("**/beside/search", lambda route: route.fulfill(status=503, json={"error": "no"}))
    page.fill("#text", "a fish")
    expect(said).to_have_text("No.")
    expect(page.locator("#grid li")).to_have_count(40)
    expect(page.locator("#beside-grid li, .both")).to_have_count(0)
    page.unroute("**/beside/search")
    page.fill("#text", "a red bird")
    expect(page.locator("#beside-grid li")).to_have_count(40)
    page.route("**/search", lambda route: route.fulfill(status=503, json={"error": "no"}))
    page.fill("#text", "a fish")
    expect(page.locator("#notice")).to_be_visible()
    expect(page.locator("#grid li, #beside-grid li")).to_have_count(0)
    expect(said).to_have_text("")
