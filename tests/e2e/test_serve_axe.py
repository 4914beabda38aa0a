"""The page by axe-core, and by a keyboard alone, in Chromium."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.axe import faults

SEARCH = "/?q=a+red+fruit&where=category%3Dfood&t=1*text:red&t=-1*text:green"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_violation(browser: Browser, url: str, theme: Any, width: int) -> None:
    size = {"width": width, "height": 844}
    # what fades in is of another contrast until it is there
    context = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url)
    expect(page.locator("#grid li[data-id]").first).to_be_visible()
    assert faults(page) == []
    page.goto(url + SEARCH)
    expect(page.locator("#grid li[data-id]").first).to_be_visible()
    page.click("#open-panel")
    expect(page.locator("#facets fieldset").first).to_be_visible()
    assert faults(page) == []
    page.click("#close-panel")
    page.locator("#grid .image").first.focus()
    page.keyboard.press("x")
    assert faults(page) == []
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_be_visible()
    assert faults(page) == []
    page.goto(f"{url}/?q=a+bird&from=0.99")
    expect(page.locator("#notice h2")).to_be_visible()
    assert faults(page) == []
    context.close()


def test_a_keyboard_alone(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    expect(page.locator("#text")).to_be_focused()
    page.keyboard.type("a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")

    def to(selector: str) -> None:
        for _ in range(40):
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"Tab never comes to {selector}")

    to("#open-panel")
    page.keyboard.press("Enter")
    expect(page.get_by_label("food")).to_be_visible()
    to("#facets input[type=checkbox]")
    page.keyboard.press("Space")
    expect(page.locator("#filters .pill")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#open-panel")).to_be_focused()
    to("#filters .pill")
    page.keyboard.press("Enter")
    expect(page.locator("#filters .pill")).to_have_count(0)
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    to("#grid .image")
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    expect(page.locator("#selected-count")).to_have_text("2 selected")
    page.keyboard.press("Enter")
    expect(page.locator("#view-stage")).to_be_focused()
    to("#view-copy")
    to("#view-close")
    page.keyboard.press("Enter")
    expect(page.locator("#grid .image").nth(1)).to_be_focused()
    to("#selected-like")
    page.keyboard.press("Enter")
    expect(page.locator("#terms .term")).to_have_count(2)
    page.close()
