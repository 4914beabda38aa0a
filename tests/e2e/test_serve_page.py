"""The page of the service in Chromium."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
BERRY = "sample-0002/0133"


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """The page, fully loaded; it must make no external request and raise no error."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("request", lambda r: r.url.startswith((url, "blob:")) or faults.append(r.url))
    opened.goto(url)
    expect(opened.locator("#grid li[data-id]")).to_have_count(40)
    yield opened
    assert faults == []
    context.close()


def found(page: Page) -> list[str]:
    """Return the visible captions once the newest query is answered."""
    expect(page.locator("body")).not_to_have_class(re.compile("busy"))
    expect(page.locator("#grid")).not_to_have_class(re.compile("stale"))
    return page.locator("#grid .caption").all_inner_texts()


def hold(page: Page, where: str | re.Pattern[str]) -> list[Route]:
    """Return the requests that come from now on, which nobody answers."""
    held: list[Route] = []

    def keep(route: Route) -> None:  # Playwright sets an attribute of its handlers
        held.append(route)

    page.route(where, keep)
    return held


def test_search_as_you_type(page: Page) -> None:
    expect(page.locator("#title")).to_have_text("Some of 364 images in sample")
    page.locator("#text").press_sequentially("a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    expect(page.locator("#status")).to_have_text("40 of 364")
    assert page.url.endswith("?q=a+red+fruit")
    image = page.locator("#grid img").first
    image.evaluate("image => image.decode()")
    box = image.bounding_box()
    assert box is not None
    size = image.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert image.evaluate("image => getComputedStyle(image).objectFit") == "contain"
    assert box["width"] / box["height"] == pytest.approx(max(0.65, size[0] / size[1]), rel=0.05)


def test_more_like_this_and_the_way_back(page: Page) -> None:
    page.fill("#text", "a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    page.locator("#grid .image").nth(1).hover()
    page.locator("#grid .more-like").nth(1).click()
    expect(page.locator("#grid .caption").first).to_have_text("A mandarin orange")
    expect(page.locator("#terms .term")).to_have_count(1)
    page.go_back()
    expect(page.locator("#text")).to_have_value("a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")


def test_terms_with_plus_and_minus_live_in_the_link(page: Page, browser: Browser) -> None:
    page.fill("#text", "an animal")
    page.keyboard.press("Enter")
    page.fill("#text", "a bird")
    page.click("#minus")
    page.locator("#terms button").first.press("ArrowUp")
    expect(page.locator("#terms .term").first).to_contain_text("+1.25")
    expect(page.locator("#terms .term.minus")).to_have_text(re.compile("a bird"))
    captions = found(page)
    again = browser.new_page()
    again.goto(page.url)
    expect(again.locator("#grid .caption").first).to_have_text(captions[0])
    assert found(again) == captions
    again.close()


def test_a_dropped_image_stays_in_the_link(
    page: Page, url: str, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "query.jpg"
    file.write_bytes(httpx.get(f"{url}/thumbnail/sample-0002/0133").content)
    content = base64.b64encode(file.read_bytes()).decode()
    data = page.evaluate_handle(
        """content => {
            const bytes = Uint8Array.from(atob(content), (char) => char.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "query.jpg", { type: "image/jpeg" }));
            return data;
        }""",
        content,
    )
    page.dispatch_event("body", "drop", {"dataTransfer": data})
    expect(page.locator("#terms img")).to_be_visible()
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    again = browser.new_page()
    again.goto(page.url)
    expect(again.locator("#terms .term")).to_contain_text("an image")
    expect(again.locator("#grid .caption").first).to_have_text("A strawberry")
    model = httpx.get(f"{url}/stats").json()["model_digest"]
    again.goto(page.url.replace(model, "0123456789abcdef"))  # as before a switch
    expect(again.locator("#notice")).to_contain_text("This vector was made by model 0123456789abc")
    expect(again.locator("#grid .caption")).to_have_count(0)
    again.close()
    page.keyboard.press("Escape")
    expect(page.locator("#terms .term")).to_have_count(0)
    page.set_input_files("#file", file)
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    Image.open(file).save(tmp_path / "query.tiff")  # as HEIC: of no use to the browser
    page.set_input_files("#file", tmp_path / "query.tiff")
    expect(page.locator("#terms .term").last).to_contain_text("an image")


def test_narrow_pictures_with_long_names(page: Page) -> None:
    def photos(route: Route) -> None:
        attributes = {"folder": "", "file": "long" * 20, "taken": "2020-01-02T12:00", "year": 2020}
        rows = [
            {**row, "attributes": attributes, "width": 9, "height": 16}
            for row in route.fetch().json()
        ]
        route.fulfill(json=rows)

    page.route("**/search", photos)
    page.reload()
    card = page.locator("#grid li[data-id]").first
    buttons = card.locator(".facts button")
    expect(buttons).to_have_text(["long" * 20, "2020-01-02"])
    facts, last = card.locator(".facts").bounding_box(), buttons.last.bounding_box()
    assert facts is not None
    assert last is not None
    assert last["x"] + last["width"] <= facts["x"] + facts["width"] + 1
    circle, like = (card.locator(x).bounding_box() for x in (".pick", ".more-like"))
    assert circle is not None
    assert like is not None
    assert circle["x"] + circle["width"] <= like["x"]


def test_filters_and_the_lowest_score(page: Page) -> None:
    page.fill("#text", "a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    page.click("#open-panel")
    page.get_by_label("animals").check()
    expect(page.locator("#filters .pill")).to_have_text("category=animals")
    expect(page.locator("#grid .facts button").first).to_have_text("animals")
    found(page)
    assert set(page.locator("#grid .facts button").all_inner_texts()) == {"animals"}
    expect(page.locator("#status")).to_have_text("40 of 127")
    page.click("#filters .pill")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    page.locator("#cut").fill("0.5")
    expect(page.locator("#cut-value")).to_have_text("0.50")
    expect(page.locator("#status")).to_have_text("6 images")
    page.locator("#cut").fill("0.9")
    expect(page.locator("#notice h2")).to_have_text("No images found")
    page.click("#close-panel")
    page.locator("#notice button").first.click()
    expect(page.locator("#grid li")).to_have_count(40)


def test_keyboard(page: Page) -> None:
    page.locator("body").click(position={"x": 5, "y": 400})
    page.keyboard.press("/")
    page.keyboard.type("a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#grid .image").first).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#grid .image").nth(1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#grid .image").nth(1)).not_to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("-")
    expect(page.locator("#terms .term.minus")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator("#text")).to_be_focused()
    expect(page.locator("#title")).to_be_visible()


def test_captions_are_text(page: Page, url: str) -> None:
    row = {
        "id": HOSTILE,
        "caption": HOSTILE,
        "uri": "javascript:alert(1)",
        "width": 4,
        "height": 3,
        "attributes": {HOSTILE: HOSTILE},
        "thumbnail": "thumbnail/none",
        "similarity": 0.5,
        "z_score": 3.0,
    }
    page.route("**/search", lambda route: route.fulfill(json=[row]))
    page.fill("#text", HOSTILE)
    expect(page.locator("#grid li")).to_have_count(1)
    expect(page.locator("#grid .caption")).to_have_text(HOSTILE)
    expect(page.locator("#grid .none")).to_be_visible()
    page.locator("#grid .facts button").click(position={"x": 5, "y": 5})
    expect(page.locator("#filters .pill")).to_contain_text("<script>")
    page.keyboard.press("Enter")
    assert "owned" not in page.title()
    assert page.locator("#grid script, #filters script, #terms script").count() == 0


def test_errors_are_shown_as_a_sentence(page: Page) -> None:
    page.route("**/search", lambda route: route.abort())
    page.fill("#text", "a bird")
    expect(page.locator("#notice")).to_contain_text("The service does not answer.")
    page.unroute("**/search")
    page.click("#notice button")
    expect(page.locator("#grid li")).to_have_count(40)
    page.goto(f"{page.url.split('?')[0]}?q=bird&where=colour%3Dred")
    expect(page.locator("#notice p")).to_contain_text("There is no attribute colour; choose from")
    page.goto(page.url.split("?")[0] + '?where={"name":{"$in":"bird"}}')
    expect(page.locator("#notice p")).to_contain_text("There is no attribute name; choose from")


def test_light_and_dark(page: Page, browser: Browser, url: str) -> None:
    colour = "body => getComputedStyle(body).backgroundColor"
    assert page.locator("body").evaluate(colour) == "rgb(247, 247, 245)"
    page.click("#theme")
    page.click("#theme")
    assert page.locator("body").evaluate(colour) == "rgb(20, 21, 23)"
    dark = browser.new_page(color_scheme="dark")
    dark.goto(url)
    assert dark.locator("body").evaluate(colour) == "rgb(20, 21, 23)"
    dark.close()


def test_an_upload_is_retried(page: Page, url: str) -> None:
    image = httpx.get(f"{url}/thumbnail/{BERRY}").content
    page.route("**/embed_image", lambda route: route.abort())
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": image})
    expect(page.locator("#notice")).to_contain_text("The service does not answer.")
    page.unroute("**/embed_image")
    page.click("#notice button")
    expect(page.locator("#terms img")).to_be_visible()
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")


def test_an_image_dragged_from_another_page_is_dropped(page: Page) -> None:
    data = page.evaluate_handle(
        """() => {
            const data = new DataTransfer();
            data.setData("text/uri-list", "https://example.org/a.jpg");
            return data;
        }"""
    )
    page.dispatch_event("body", "drop", {"dataTransfer": data})
    expect(page.locator("#notice")).to_contain_text("Save it and drop the file, or copy it")
    page.click("#notice button")
    expect(page.locator("#notice")).to_be_hidden()
    expect(page.locator("#grid li")).to_have_count(40)


def test_keys_meant_for_something_else(page: Page) -> None:
    page.fill("#text", "a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    page.click("#open-panel")
    page.get_by_label("Caption: contains").fill("bird")
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator("#open-panel")).to_be_focused()
    expect(page.locator("#text")).to_have_value("a red fruit")
    page.locator("#grid .image").first.focus()
    for key in ("Control+-", "Control++", "Control+/", "Alt+ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator("#grid .image").first).to_be_focused()
    expect(page.locator("#terms .term")).to_have_count(0)


def test_loading_more_images_stays_in_the_link(page: Page, browser: Browser) -> None:
    page.fill("#text", "a red fruit")
    expect(page.locator("#grid .caption").first).to_have_text("A strawberry")
    first = page.locator("#grid li").first.element_handle()
    held = hold(page, "**/search")
    with page.expect_request("**/search"):
        page.locator("#more").evaluate("more => [more.click(), more.click()]")
    expect(page.locator("body")).to_have_class(re.compile("busy"))
    held[0].abort()
    expect(page.locator("#status")).to_contain_text("The service does not answer.")
    assert len(held) == 1
    expect(page.locator("#grid li")).to_have_count(40)
    assert page.url.endswith("?q=a+red+fruit")
    page.unroute("**/search")
    page.locator("#grid li").nth(39).scroll_into_view_if_needed()
    expect(page.locator("#grid li")).to_have_count(80)
    expect(page.locator("#status")).to_have_text("80 of 364")
    assert first is not None
    assert first.evaluate("li => li.isConnected"), "what was there is drawn anew"
    assert page.url.endswith("?q=a+red+fruit&k=80")
    again = browser.new_page()
    again.goto(page.url)
    expect(again.locator("#grid li")).to_have_count(80)
    again.goto(page.url.replace("k=80", "k=x"))
    expect(again.locator("#grid li")).to_have_count(40)
    again.close()


def test_what_is_typed_is_searched_for_before_more_is_loaded(page: Page) -> None:
    page.fill("#text", "a red fruit")
    expect(page.locator("#status")).to_have_text("40 of 364")
    page.evaluate("""() => {
        const [text, more] = ["text", "more"].map((id) => document.getElementById(id));
        text.value = "a bird";
        text.dispatchEvent(new Event("input"));
        more.click();
    }""")
    expect(page.locator("#status")).to_have_text("40 of 364")
    expect(page).to_have_url(re.compile(r"\?q=a\+bird$"))
    expect(page.locator("#grid:not(.stale) li")).to_have_count(40)


def test_attributes_that_cannot_be_typed(page: Page) -> None:
    row = {
        "id": "1",
        "caption": "one",
        "uri": "one",
        "width": 4,
        "height": 3,
        "attributes": {"année de": 1, "name": " two\nlines ", "nice": True, "none": None},
        "thumbnail": "thumbnail/none",
        "similarity": 0.5,
        "z_score": 3.0,
    }
    asked: list[Any] = []

    def answer(route: Route) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(json=[row])

    page.route("**/search", answer)
    page.fill("#text", "a bird")
    expect(page.locator("#grid .facts button")).to_have_count(3)
    for at in range(3):
        page.locator("#grid .facts button").nth(at).click()
        expect(page.locator("#filters .pill")).to_have_count(at + 1)
    assert page.locator("#filters .pill").all_inner_texts()[0] == "année de=1"
    found(page)
    assert [json.loads(x) for x in asked[-1]["where"][:2]] == [
        {"année de": {"$eq": 1}},
        {"name": {"$eq": " two\nlines "}},
    ]
    assert asked[-1]["where"][2] == "nice=true"


def test_the_score_is_that_of_the_newest_query(page: Page) -> None:
    row = {
        "id": "1",
        "caption": "one",
        "uri": "one",
        "width": 4,
        "height": 3,
        "attributes": {},
        "thumbnail": "thumbnail/none",
        "z_score": 3.0,
    }

    def answer(route: Route) -> None:
        text = route.request.post_data_json["terms"][0]["text"]
        route.fulfill(json=[row | {"similarity": 0.5 if text == "a bird" else 0.25}])

    page.route("**/search", answer)
    page.fill("#text", "a bird")
    expect(page.locator("#grid li")).to_have_count(1)
    for text, score in {"a bird": "0.500", "a car": "0.250"}.items():
        page.fill("#text", text)
        expect(page.locator("#grid .facts")).to_have_text(score)
        expect(page.locator("#grid .image")).to_have_attribute("href", re.compile(text[2:]))
    page.fill("#text", "a car, the same")
    expect(page.locator("#grid .image")).to_have_attribute("href", re.compile("same"))


def test_where_nothing_is_found_nothing_waits(page: Page) -> None:
    page.goto(f"{page.url}?where=category%3Dnone")
    expect(page.locator("#notice h2")).to_have_text("No images found")
    expect(page.locator("#grid li")).to_have_count(0)


def test_pictures_do_not_wait_for_their_number(page: Page) -> None:
    rows = httpx.post(f"{page.url}search", json={"text": "a bird", "k": 3}).json()
    about = httpx.get(f"{page.url}stats").json()
    held = hold(page, re.compile("/facets"))
    page.route("**/search", lambda route: route.fulfill(json=rows))
    page.route("**/stats", lambda route: route.fulfill(json={**about, "rows": 5000}))
    page.goto(f"{page.url}?q=a+bird&unique=1")
    expect(page.locator("#grid .caption")).to_have_text([row["caption"] for row in rows])
    expect(page.locator("#status")).to_have_text("3 or more")
    held[0].fulfill(json={"rows": 4500, "attributes": {}})
    expect(page.locator("#status")).to_have_text("3 of at most 4,500")


def test_validation_errors_are_readable(page: Page) -> None:
    page.goto(f"{page.url.split('?')[0]}?t=1*text:{'a' * 2001}")
    said = "The text should have at most 2000 characters."
    expect(page.locator("#notice p")).to_have_text(said)
