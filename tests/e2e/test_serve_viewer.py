"""The dialog of the service's page that shows one picture, in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

BLOB = re.compile("^blob:")
SEARCHED = re.compile(r"/\?q=a\+red\+fruit$")


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The page with what is found for a text; it must make no external request, nor fail."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, has_touch=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda r: r.url.startswith((url, "blob:")) or faults.append(r.url))
    opened.goto(f"{url}/?q=a+red+fruit")
    expect(opened.locator("#grid .caption").first).to_have_text("A strawberry")
    yield opened
    assert faults == []
    context.close()


def test_a_picture_in_full(page: Page) -> None:
    page.locator("#grid .image").first.click()
    expect(page.locator("#view-title")).to_have_text("A strawberry")
    expect(page.locator("#view-place")).to_have_text("1 of 364")
    expect(page.locator("#view-image")).to_have_attribute("src", BLOB)
    natural = page.locator("#view-image").evaluate("image => image.naturalWidth")
    expect(page.locator("#view-facts")).to_contain_text(re.compile(f"{natural} . .* pixels"))
    expect(page.locator("#view-facts")).to_contain_text("sample-0002.tar")
    assert page.locator("#view-facts dt").all_inner_texts() == ["Path", "Size", "category"]
    expect(page.locator("#view-meaning")).to_contain_text("standard deviations")
    page.click("#view-copy")
    expect(page.locator("#view-said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("pkg://clipvec/")


def test_keys_and_the_way_back(page: Page) -> None:
    page.locator("#grid .image").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    assert "&open=" in page.url
    expect(page.locator("#view-previous")).to_be_disabled()
    titles = page.locator("#grid .caption").all_inner_texts()[:3]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#view-title")).to_have_text(titles[2])
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#view-title")).to_have_text(titles[1])
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#grid .image").nth(1)).to_be_focused()
    expect(page).to_have_url(SEARCHED)
    page.go_forward()
    expect(page.locator("#view-title")).to_have_text(titles[1])
    page.go_back()
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page.locator("#text")).to_have_value("a red fruit")


def test_a_link_to_a_picture(page: Page, url: str) -> None:
    page.locator("#grid .image").nth(2).click()
    title = page.locator("#view-title").inner_text()
    page.reload()
    expect(page.locator("#view-title")).to_have_text(title)
    expect(page.locator("#view-place")).to_have_text("3 of 364")
    page.keyboard.press("Escape")
    expect(page.locator("#viewer")).to_be_hidden()
    expect(page).to_have_url(SEARCHED)
    page.goto(f"{url}/?open=sample-0002%2F0133")  # among none of what is shown, most likely
    expect(page.locator("#view-title")).to_have_text("A strawberry")
    page.goto(f"{url}/?open=none")
    expect(page.locator("#status")).to_have_text("There is no row 'none'.")
    expect(page.locator("#viewer")).to_be_hidden()


def test_more_like_this_and_only_such(page: Page) -> None:
    page.locator("#grid .image").nth(1).click()
    page.click("#view-like")
    expect(page.locator("#terms .term")).to_have_count(1)
    expect(page.locator("#viewer")).to_be_hidden()
    page.locator("#grid .image").first.click()
    page.locator("#view-facts button").click()
    expect(page.locator("#filters .pill")).to_have_text("category=food")
    expect(page.locator("#viewer")).to_be_hidden()


def test_swipes(page: Page) -> None:
    page.locator("#grid .image").first.click()
    titles = page.locator("#grid .caption").all_inner_texts()[:2]

    def swipe(by: int) -> None:
        page.locator("#view-stage").evaluate(
            """(stage, by) => {
                const here = { identifier: 1, target: stage, clientY: 90 };
                const at = (x) => [new Touch({ ...here, clientX: x })];
                stage.dispatchEvent(new TouchEvent("touchstart", { touches: at(300) }));
                stage.dispatchEvent(new TouchEvent("touchend", { changedTouches: at(300 + by) }));
            }""",
            by,
        )

    swipe(-100)
    expect(page.locator("#view-title")).to_have_text(titles[1])
    swipe(-20)
    expect(page.locator("#view-title")).to_have_text(titles[1])
    swipe(100)
    expect(page.locator("#view-title")).to_have_text(titles[0])


def test_a_file_that_is_gone(page: Page) -> None:
    said = {"error": "the file is gone: /photos/a.jpg"}
    page.route("**/original/**", lambda route: route.fulfill(status=404, json=said))
    page.locator("#grid .image").first.click()
    note = "This is the thumbnail: The file is gone: /photos/a.jpg."
    expect(page.locator("#view-note")).to_have_text(note)
    expect(page.locator("#view-image")).to_have_attribute("src", re.compile("^thumbnail/"))
    expect(page.locator("#view-size")).to_be_hidden()


def test_a_large_picture_pixel_by_pixel(page: Page) -> None:
    def large(route: Route) -> None:
        rows = route.fetch().json()
        route.fulfill(json=[{**row, "width": 4000, "height": 3000} for row in rows])

    page.route("**/search", large)
    page.reload()
    page.locator("#grid .image").first.click()
    page.click("#view-size")
    expect(page.locator("#view-size")).to_have_attribute("aria-pressed", "true")
    assert page.locator("#view-image").evaluate("image => image.width === image.naturalWidth")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#view-size")).to_have_attribute("aria-pressed", "false")
