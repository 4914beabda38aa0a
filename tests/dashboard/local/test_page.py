"""The page in a real browser."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from clipvec.dashboard import local
from clipvec.errors import ConfigError
from tests.axe import faults
from tests.dashboard.local.conftest import HOSTILE, asked
from tests.recall.report.test_page import Visit
from tests.stores import StoreFactory


@pytest.fixture(scope="module")
def file(swept: Path) -> Path:
    summary = local.write(asked(swept))
    assert str(summary) == f"embed-1, 6 runs: {swept}/page.html"
    return summary.page


@pytest.fixture
def page(browser: Browser, file: Path):  # type: ignore[no-untyped-def]
    visit = Visit(browser, file)
    yield visit.page
    visit.close()


def test_the_top_of_the_page(page: Page) -> None:
    expect(page.locator("h1")).to_have_text("embed-1")
    expect(page.locator(".lead")).to_contain_text("90 images of toys--toy, in 3 of 4 shards")
    expect(page.locator(".notice").first).to_contain_text("Not committed: shards 2")
    expect(page.locator("details.notice")).to_contain_text("1 of 3 jobs failed or have not ended")
    expect(page.locator("details.notice li")).to_have_text("embed-1-1 ended with exit code 3")
    titles = page.locator("h2").all_text_contents()
    assert titles == ["Sweep", "Embedding", "Index", "Recall", "Projection of the images", "Store"]


def test_numbers(page: Page) -> None:
    pairs = page.locator(".stats > div").all()
    said = {p.locator("dt").inner_text(): p.locator("dd").inner_text() for p in pairs}
    assert said["Shards committed"] == "3"
    assert said["Cost, USD"] == "1.23"
    assert said["Verified"] == "90 of 90 rows found"
    assert (said["Recommended for texts"], said["Recall, texts"]) == ("hnsw", "0.970")


def test_figures(page: Page) -> None:
    figures = page.locator("#embedding figure")
    expect(figures.locator("h3")).to_have_text(
        ["Images per second of a job", "Where the time goes", "Rejected images by reason"]
    )
    expect(figures.first.locator(".names li")).to_have_text(["0", "1", "2"])
    expect(figures.nth(1).locator(".names li")).to_have_text(["encode", "read"])
    expect(figures.nth(1).locator("figcaption")).to_have_text("The mean of 3 runs.")
    expect(page.locator("#recall figure .names li")).to_have_text(["flat", "hnsw"])
    point = page.locator("#embedding svg [data-tip]").first
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator("#tip")).to_contain_text("images/s")


def test_one_point_is_a_number(page: Page) -> None:
    figure = page.locator("#index figure", has_text="Rows per second")
    expect(figure.locator("svg")).to_have_count(0)
    expect(figure.locator("dd")).to_have_text("1,234")
    expect(page.locator("#index figure", has_text="Memory").locator("dd")).to_have_text("500 MB")


def test_counts_have_whole_ticks(page: Page) -> None:
    figure = page.locator("#sweep figure", has_text="Shards committed")
    ticks = figure.locator("svg g[id*='ytick'] text").all_text_contents()
    assert ticks == ["0", "1", "2", "3"]


def test_images_and_hostile_captions(page: Page) -> None:
    images = page.locator(".images img")
    expect(images).to_have_count(3)
    assert images.first.get_attribute("alt") == "", "its caption is beside it"
    assert page.locator(".images span").first.get_attribute("title") == HOSTILE
    assert images.first.evaluate("image => image.naturalWidth") == 32
    assert page.locator("img[src=x]").count() == 0


def test_tables_sort(page: Page) -> None:
    seconds = page.locator("#sweep tbody td:nth-child(3)")
    expect(seconds).to_have_text(["12.5", "7.25"])
    page.locator("#sweep th", has_text="seconds").locator("button").click()
    expect(seconds).to_have_text(["7.25", "12.5"])
    assert page.locator("#store tbody tr").count() >= 3


def test_projection(page: Page) -> None:
    expect(page.locator(".projection figcaption")).to_contain_text("90 of 90 images")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Browser, file: Path, scheme: str) -> None:
    size = {"width": 390, "height": 800}
    visit = Visit(browser, file, viewport=size, color_scheme=scheme)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert faults(visit.page) == []
    visit.close()


def test_a_store_without_runs(
    browser: Browser, tmp_path: Path, store_factory: StoreFactory
) -> None:
    store_factory(tmp_path, {0: [9]})
    summary = local.write(asked(tmp_path))
    assert str(summary) == f"no tracked run, the store: {tmp_path}/page.html"
    visit = Visit(browser, summary.page)
    expect(visit.page.locator(".notice")).to_contain_text("No run was tracked.")
    expect(visit.page.locator("h1")).to_have_text("toys--toy")
    visit.close()


def test_invalid_requests_are_refused(
    swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"page=.*cannot be written: .*; choose another file"):
        local.write(asked(swept, f"page={tmp_path}/file/page.html"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"a figure needs the package matplotlib,"):
        local.write(asked(swept))
