"""The page for other visitors: with a key, without HTTPS, without a mouse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.serving import free_port, start, wait_ready

KEY = "aé+b/c=="  # a base64 character, and another script
BERRY = "sample-0002/0133"


@pytest.fixture(scope="module")
def locked(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a service that requires a key."""
    port, log = free_port(), tmp_path_factory.mktemp("locked") / "log"
    process = start(f"index.path={index}", port, log, CLIPVEC_API_KEY=KEY)
    where = f"http://127.0.0.1:{port}"
    try:
        wait_ready(where, process, log)
        yield where
        assert KEY not in log.read_text()
    finally:
        process.terminate()
        process.wait(60)


def test_a_key_is_requested(locked: str, browser: Browser) -> None:
    assert httpx.post(f"{locked}/search", json={"text": "a"}).status_code == 401
    context = browser.new_context()
    page = context.new_page()
    page.goto(locked)
    expect(page.locator("#notice h2")).to_have_text("A key is needed")
    page.get_by_label("API key").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#notice h2")).to_have_text("That key is wrong")
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.locator("#grid li")).to_have_count(40)
    image = page.locator("#grid img").first
    image.evaluate("image => image.decode()")
    assert image.evaluate("image => image.naturalWidth") > 0
    context.close()


def test_an_upload_continues_once_the_key_is_given(locked: str, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(locked)
    expect(page.locator("#notice h2")).to_have_text("A key is needed")
    page.get_by_label("API key").fill("what a visitor has begun to type")
    image = httpx.get(f"{locked}/thumbnail/{BERRY}", headers=[(b"X-API-Key", KEY.encode())])
    page.set_input_files(
        "#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": image.content}
    )
    expect(page.get_by_label("API key")).to_have_value("")
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    context.close()


@pytest.mark.parametrize("secure", [True, False], ids=["https", "http"])
def test_the_link_is_copied(browser: Browser, url: str, secure: bool) -> None:
    """localhost counts as secure; other hosts over HTTP have no navigator.clipboard."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    if not secure:
        page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"{url}/?q=a+red+fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    page.click("#copy")
    expect(page.locator("#status")).to_have_text("Link copied")
    expect(page.locator("#copy")).to_be_focused()
    assert page.locator("textarea").count() == 0
    page.fill("#text", "")
    page.keyboard.press("Control+v")
    expect(page.locator("#text")).to_have_value(f"{url}/?q=a+red+fruit")
    context.close()


def test_plus_and_minus_without_a_mouse(browser: Browser, url: str) -> None:
    context = browser.new_context(
        has_touch=True, is_mobile=True, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    page.goto(url)
    expect(page.locator("#grid .acts").first).to_be_hidden()
    for number, (sign, name) in enumerate([("plus", "term"), ("minus", "term minus")], 1):
        page.locator("#grid .image").first.tap()
        page.locator(f"#view-{sign}").tap()
        expect(page.locator("#viewer")).to_be_hidden()
        expect(page.locator("#terms .term")).to_have_count(number)
        expect(page.locator("#terms .term").last).to_have_attribute("class", name)
    context.close()
