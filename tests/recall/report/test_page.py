"""The page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from clipvec.recall import report as reports
from tests.axe import faults
from tests.recall.report.conftest import HOSTILE
from tests.reports import briefly, report, systems


class Visit:
    """An open page, with its requests and errors."""

    def __init__(self, browser: Browser, file: Path, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page: Page = self.context.new_page()
        self.uri = file.as_uri()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.complaints.append("dialog"), dialog.dismiss()))
        self.page.goto(self.uri)

    def close(self) -> None:
        """Close the page and check that it made no request and raised no error."""
        self.context.close()
        assert self.requests == [self.uri]
        assert self.complaints == []


@pytest.fixture
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    visit = Visit(browser, folder / "report.html")
    yield visit.page
    visit.close()


def column(page: Page, number: int) -> list[str]:
    """Return the first line of each cell of a column, in the visible rows."""
    cells = page.locator(f"#all tbody tr:visible > :nth-child({number})")
    return [text.splitlines()[0] for text in cells.all_inner_texts()]


def floats(texts: list[str]) -> list[float]:
    return [float(text.replace(",", "")) for text in texts]


def test_recommendations_stand_on_top(page: Page) -> None:
    card = page.locator(".card").first
    expect(card).to_contain_text("hnsw32 efSearch=128")
    expect(card).to_contain_text("0.961")
    expect(card.locator("code")).to_have_text("hnsw:\n  max_neighbors: 32\n  ef_search: 128")
    assert card.bounding_box()["y"] < 500  # type: ignore[index]


def test_one_figure_is_shown_for_k_and_load_mode(page: Page) -> None:
    shown = page.locator("#recall-and-speed figure:visible")
    assert [shown.get_attribute(f"data-{key}") for key in ("k", "mode")] == ["10", "single"]
    expect(shown.locator("h3")).to_have_text(["Text queries", "Image queries"])

    page.locator("form.switches").get_by_text("100", exact=True).click()
    page.get_by_text("by 8 clients").first.click()
    expect(shown).to_have_count(1)
    assert [shown.get_attribute(f"data-{key}") for key in ("k", "mode")] == ["100", "concurrent-8"]
    expect(page.locator("#latency figure:visible")).to_have_attribute("data-mode", "concurrent-8")
    assert set(column(page, 4)) == {""} or page.locator("#all td.mode:visible").count() == 0


def test_keyboard_chooses_k(page: Page) -> None:
    page.locator("input[name=k][value='10']").focus()
    page.keyboard.press("ArrowRight")
    shown = page.locator("#recall-and-speed figure:visible")
    expect(shown).to_have_attribute("data-k", "100")


def test_table_sorts_by_click_and_by_key(page: Page) -> None:
    header = page.locator("#all th[aria-sort]", has_text="QPS")
    before = floats(column(page, 8))
    assert before != sorted(before)

    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    assert floats(column(page, 8)) == sorted(before, reverse=True)

    page.keyboard.press("Enter")
    expect(header).to_have_attribute("aria-sort", "ascending")
    assert floats(column(page, 8)) == sorted(before)
    assert page.locator("#all th[aria-sort='none']").count() == 11


def test_texts_sort_in_natural_order(page: Page) -> None:
    page.locator("#all th[aria-sort]", has_text="Setting").get_by_role("button").click()
    settings = [text for text in column(page, 2) if text.startswith("efSearch")]
    assert settings == [f"efSearch={ef}" for ef in (16, 32, 64, 128, 256) for _ in range(2)]


def test_table_shows_the_kind_of_query_that_is_chosen(page: Page) -> None:
    rows = page.locator("#all tbody tr:visible")
    text = rows.count()
    assert {row.get_attribute("data-kind") for row in rows.all()} == {"text"}
    page.locator("form.choice").get_by_text("both").click()
    assert rows.count() == 2 * text
    assert set(column(page, 3)) == {"text", "image"}


def test_systems_can_be_hidden(page: Page) -> None:
    button = page.get_by_role("button", name="hnsw32", exact=True)
    number = button.get_attribute("data-toggle")
    parts = page.locator(f"figure:visible [data-curve='{number}']:visible")
    assert parts.count() > 10
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert parts.count() == 0
    assert "hnsw32" not in column(page, 1)
    button.click()
    assert parts.count() > 10


def test_points_have_tooltips(page: Page) -> None:
    point = page.locator("figure:visible [data-tip*='efSearch=64']").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2 + 3, box["y"] + box["height"] / 2)
    tip = page.locator("#tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("efSearch=64")
    expect(tip).to_contain_text("recall@10 0.930 (0.922")
    page.mouse.move(1, 1)
    expect(tip).to_be_hidden()


def test_everything_has_a_text_alternative(page: Page) -> None:
    assert page.locator("table:not(:has(> caption))").count() == 0
    assert page.locator("figure svg:not([role=img][aria-label])").count() == 0
    assert page.locator("input:not(label input)").count() == 0
    assert page.locator("html").get_attribute("lang") == "en"
    label = page.locator("figure:visible svg").first.get_attribute("aria-label")
    assert label
    assert "hnsw32, efSearch=128: 0.967 at 1,022 QPS" in label
    doubled = page.evaluate(
        "() => { const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);"
        " return ids.filter((id, i) => ids.indexOf(id) !== i); }"
    )
    assert doubled == []


def test_references_in_figures_resolve(page: Page) -> None:
    lost = page.evaluate(
        "() => [...document.querySelectorAll('use')].filter("
        "(u) => !document.querySelector(u.getAttribute('xlink:href'))).length"
    )
    assert lost == 0
    clips = page.evaluate(
        "() => [...document.querySelectorAll('[clip-path]')].filter((e) => "
        "!document.querySelector(e.getAttribute('clip-path').slice(4, -1))).length"
    )
    assert clips == 0


def test_skipped_systems_come_with_their_reason(page: Page) -> None:
    row = page.locator("tr", has_text="ivf65536")
    expect(row).to_contain_text("choose fewer lists, as IVF1024")


def test_copy_takes_the_configuration(browser: Browser, folder: Path) -> None:
    visit = Visit(
        browser, folder / "report.html", permissions=["clipboard-read", "clipboard-write"]
    )
    for frame in visit.page.locator(".code:visible").all():
        code, button = (frame.locator(each).bounding_box() for each in ("pre", ".copy"))
        assert code is not None
        assert button is not None
        assert code["x"] + code["width"] <= button["x"], "it covers what it copies"
    visit.page.locator(".copy").first.click()
    expect(visit.page.locator(".copy").first).to_have_text("Copied")
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert copied == "hnsw:\n  max_neighbors: 32\n  ef_search: 128"
    assert visit.page.locator("pre").count() == visit.page.locator(".copy + pre").count() == 3
    visit.close()


def test_hostile_names_are_text(browser: Browser, hostile: Path) -> None:
    visit = Visit(browser, hostile / "report.html")
    page = visit.page
    assert page.locator("script").count() == 2, "more than those of the page itself"
    assert page.locator("img, b:text('bold')").count() == 0
    assert page.locator("[onmouseover], [onerror]").count() == 0
    legend = page.locator(".legend button").all_text_contents()
    assert legend == list(HOSTILE[:-1])
    names = page.locator("#all tbody th").all_text_contents()
    assert {name.removesuffix(" ● on the Pareto front") for name in names} == set(HOSTILE[:-1])
    expect(page.locator(".card code")).to_have_text(f"{HOSTILE[0]}\n```\n{HOSTILE[2]}")
    assert page.title() == f"{HOSTILE[2]} · {HOSTILE[1]} – recall report"  # noqa: RUF001
    page.locator("figure:visible [data-tip]").first.scroll_into_view_if_needed()
    visit.close()


def test_a_script_that_got_in_would_not_run(browser: Browser, folder: Path) -> None:
    visit = Visit(browser, folder / "report.html")
    visit.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend',"
        " '<img src=https://example.org/x.png onerror=\"window.hit = 1\">')"
    )
    visit.page.wait_for_function("document.images[0].complete")
    assert visit.page.evaluate("window.hit") is None
    assert all("Content Security Policy" in complaint for complaint in visit.complaints)
    assert len(visit.complaints) >= 1
    visit.context.close()


@pytest.mark.parametrize("width", [360, 768])
def test_narrow_windows_scroll_tables_and_nothing_else(
    browser: Browser, folder: Path, hostile: Path, width: int
) -> None:
    for place in (folder, hostile):
        visit = Visit(browser, place / "report.html", viewport={"width": width, "height": 800})
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        visit.close()


def test_dark_and_light_and_paper(browser: Browser, folder: Path) -> None:
    visit = Visit(browser, folder / "report.html", color_scheme="dark")
    page = visit.page
    background = "getComputedStyle(document.body).backgroundColor"
    stroke = "getComputedStyle(document.querySelector('.swatch')).fill"
    assert page.evaluate(background) == "rgb(13, 17, 22)"
    assert page.evaluate(stroke) == "rgb(106, 180, 255)"
    page.emulate_media(color_scheme="light")
    assert page.evaluate(background) == "rgb(246, 247, 249)"
    assert page.evaluate(stroke) == "rgb(11, 99, 184)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(stroke) == "rgb(11, 99, 184)"
    expect(page.locator("form.switches")).to_be_hidden()
    expect(page.locator("#all th.kind")).to_be_visible()
    visit.close()


def test_page_reads_without_scripts(browser: Browser, folder: Path) -> None:
    visit = Visit(browser, folder / "report.html", java_script_enabled=False)
    expect(visit.page.locator("#recall-and-speed figure:visible")).to_have_count(1)
    expect(visit.page.locator("form.switches")).to_be_hidden()
    rows = visit.page.locator("#all tbody tr")
    assert visit.page.locator("#all tbody tr:visible").count() == rows.count() == 26 * 6
    visit.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_violation(browser: Browser, folder: Path, theme: str) -> None:
    visit = Visit(browser, folder / "report.html", color_scheme=theme)
    assert faults(visit.page) == []
    visit.close()


def test_a_keyboard_walks_the_points(page: Page) -> None:
    plot = page.locator("figure:visible .panel > svg").first
    plot.focus()
    page.keyboard.press("ArrowRight")
    first = page.locator("#tip").inner_text()
    page.keyboard.press("ArrowRight")
    second = page.locator("#tip").inner_text()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#tip").inner_text() == first != second
    assert "recall@10" in first
    page.keyboard.press("Escape")
    expect(page.locator("#tip")).to_be_hidden()


def test_several_runs_share_a_page(browser: Browser, tmp_path: Path) -> None:
    few = briefly(systems())
    small = report(dataset="synthetic", synthetic=True, rows=10_000, systems=few)
    slower = [replace(c, build=c.build and replace(c.build, rows=100_000)) for c in few]
    large = report(dataset="synthetic", synthetic=True, rows=100_000, systems=slower)
    visit = Visit(browser, reports.write([small, large], tmp_path))
    page = visit.page
    expect(page.get_by_role("note")).to_contain_text(
        "Synthetic vectors in 10,000 rows; 100,000 rows."
    )
    assert "hnsw32 · 100,000 rows" in page.locator(".legend button").all_text_contents()
    expect(page.locator("#size-of-the-store figure h3")).to_have_text(
        ["Speed, text queries", "Speed, image queries", "Time to build"]
    )
    expect(page.locator("#recommendations tbody tr")).to_have_count(4)
    visit.close()


def test_comparison_opens(browser: Browser, tmp_path: Path) -> None:
    few = briefly(systems())
    made = reports.compare(report(systems=few), report(systems=few, hardware={"cpu": HOSTILE[0]}))
    visit = Visit(browser, reports.write_comparison(made, tmp_path))
    expect(visit.page.locator("#changed tbody tr")).to_have_count(52)
    expect(visit.page.locator("#changes")).to_contain_text("Test CPU, 2 cores")
    header = visit.page.locator("#changed th[aria-sort]", has_text="Change")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    visit.close()
