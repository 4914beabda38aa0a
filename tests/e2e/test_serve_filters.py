"""The page's filters and selection, in Chromium, over images with attributes of all types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

import clipvec
from tests.e2e.serving import free_port, start, wait_ready

ATTRIBUTES = {
    "place": "string",
    "folder": "string",
    "day": "string",
    "stars": "int",
    "nice": "bool",
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> Iterator[str]:
    """URL of a service of 90 images in two folders."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(90):
        folder = root / "photos" / ("home", "Kyoto & Nara")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60 + number % 5, 40), (number, 255 - number, 90)).save(
            folder / f"IMG_{number:02}.jpg"
        )
        about = {
            "caption": f"Picture {number} of a {('bird', 'car', 'house')[number % 3]}",
            "day": f"2024-{1 + number % 9:02}-15T12:00",
            "place": ("", "the lake")[number % 2],
            "stars": number % 6,
            "nice": number % 4 == 0,
        }
        (folder / f"IMG_{number:02}.json").write_text(json.dumps(about))
    options: dict[str, object] = {
        "model": "local",
        "model.pretrained": f"local-dir:{tiny_weights}",
        "dataset": "folder",
        "dataset.name": "photos",
        "dataset.path": root / "photos",
        "+dataset.attributes": ATTRIBUTES,
        "sharding": "x1",
        "store.root": root / "store",
    }
    clipvec.run_embed(**options)
    clipvec.run_index(**options, **{"index.path": root / "index"})
    port, log = free_port(), root / "log"
    process = start(f"index.path={root / 'index'}", port, log)
    try:
        wait_ready(f"http://127.0.0.1:{port}", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def page(browser: Browser, photos: str) -> Iterator[Page]:
    """The page with all filters open."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(f"{photos}/?q=a+bird")
    expect(opened.locator("#status")).to_have_text("40 of 90")
    opened.click("#open-panel")
    expect(opened.locator("#facets fieldset")).to_have_count(13)
    yield opened
    assert faults == []
    context.close()


def status(page: Page, text: str) -> None:
    expect(page.locator("#status")).to_have_text(text)


def test_values_with_their_counts(page: Page) -> None:
    folder = page.locator("fieldset", has_text="folder").first
    expect(folder.locator("label")).to_have_text(["Kyoto & Nara45", "home45"])
    page.get_by_label("Kyoto & Nara").check()
    status(page, "40 of 45")
    expect(page.get_by_label("Kyoto & Nara")).to_be_focused()
    expect(folder.locator("label")).to_have_text(["Kyoto & Nara45", "home45"])
    stars = page.locator("fieldset", has_text="stars")
    expect(stars.locator("li label")).to_have_text(["115", "315", "515"])
    stars.get_by_role("checkbox", name="3 15").check()
    stars.get_by_role("checkbox", name="5 15").check()
    status(page, "30 images")
    assert page.locator(".pill").all_inner_texts() == ["folder=Kyoto & Nara", "stars=3 or 5"]
    page.go_back()
    status(page, "15 images")
    page.reload()
    status(page, "15 images")


def test_booleans_numbers_dates_and_texts(page: Page) -> None:
    page.locator("fieldset", has_text="nice").get_by_label("yes").check()
    status(page, "23 images")
    page.get_by_label("stars: from").fill("1")
    page.get_by_label("stars: to").fill("3")
    page.keyboard.press("Enter")
    status(page, "7 images")
    page.locator(".pill").first.click()
    page.locator(".pill").first.click()
    page.locator(".pill").first.click()
    status(page, "40 of 90")
    page.get_by_label("day: from").fill("2024-02-01")
    page.get_by_label("day: to").fill("2024-03-15")
    page.get_by_label("day: to").blur()
    status(page, "20 images")
    expect(page.get_by_label("day: to")).to_have_value("2024-03-15")
    page.get_by_label("Caption: contains").fill("CAR")
    page.keyboard.press("Enter")
    status(page, "10 images")
    page.get_by_label("Path: contains").fill("nara/img_")
    page.keyboard.press("Enter")
    status(page, "5 images")
    for caption in page.locator("#grid .caption").all_inner_texts():
        assert caption.endswith("of a car")


def test_empty_values_are_said(page: Page) -> None:
    page.get_by_label("(empty)").check()
    status(page, "40 of 45")
    assert page.locator(".pill").all_inner_texts() == ["place=(empty)"]
    assert "" not in page.locator("#grid .facts button").all_inner_texts()
    page.keyboard.press("Escape")
    page.locator("#grid .image").first.click()
    value = page.locator("#view-facts").get_by_role("button", name="(empty)")
    expect(value).to_have_attribute("title", "Only place = (empty)")


def test_several_pictures(page: Page) -> None:
    page.keyboard.press("Escape")
    for at in (0, 1):
        page.locator("#grid .image").nth(at).focus()
        page.keyboard.press("x")
    expect(page.locator("#selected-count")).to_have_text("2 selected")
    expect(page.locator(".pick").first).to_have_attribute("aria-pressed", "true")
    page.click("#selected-copy")
    expect(page.locator("#selected-count")).to_have_text("Paths copied")
    paths = page.evaluate("navigator.clipboard.readText()").split("\n")
    assert len(paths) == 2
    assert all(Path(path).is_file() for path in paths)
    with page.expect_download() as download:
        page.click("#selected-save")
    assert [row["uri"] for row in json.loads(download.value.path().read_text())] == paths
    page.keyboard.press("Escape")
    expect(page.locator("#selection")).to_be_hidden()
    expect(page.locator("#text")).to_have_value("a bird")
    page.locator("#grid figure").nth(2).hover()
    page.locator(".pick").nth(2).click()
    page.locator(".pick").nth(3).click()
    page.click("#selected-like")
    expect(page.locator("#terms .term")).to_have_count(2)
    expect(page.locator("#selection")).to_be_hidden()
    assert page.url.count("t=1*id") == 2 or page.url.count("t=1%2Aid") == 2


def test_one_row_of_controls_on_a_phone(browser: Browser, photos: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(f"{photos}/?q=a+bird&where=stars>=2&where=nice=true&from=-0.9&unique")
    expect(page.locator("#grid li[data-id]").first).to_be_visible()
    tops = page.evaluate(
        """[...document.querySelectorAll("#tools > :not([hidden]), #filters li")]
            .map((x) => x.getBoundingClientRect()).filter((box) => box.height)
            .map((box) => Math.round(box.top + box.height / 2))"""
    )
    assert max(tops) - min(tops) <= 2, tops
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size({"width": 320, "height": 640})
    bar = page.locator("#bar").bounding_box()
    assert bar is not None
    assert bar["height"] < 60
    page.set_viewport_size({"width": 390, "height": 844})
    page.click("#open-panel")
    expect(page.locator("#duplicates")).to_be_checked()
    box = page.locator("#panel").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    context.close()
