"""The projection in a real browser, and in a run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from clipvec import projection, tracking
from clipvec.config import TrackingConfig
from clipvec.projection.page import html
from clipvec.tracking import RunSpec
from clipvec.tracking.reader import read_runs
from tests.stores import StoreFactory

DRAWN = """
window.drawn = [];
const draw = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...given) {
  window.drawn.push(given.slice(5));
  return draw.apply(this, given);
};
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...given) {
  window.drawn = [];
  return clear.apply(this, given);
};
"""
"""Keeps where images were drawn last."""


def covering(page: Page) -> list[tuple[list[float], list[float]]]:
    """Return the drawn images that cover each other, [x, y, width, height] each."""
    drawn = page.evaluate("window.drawn")
    assert 1 < len(drawn) <= 40
    return [
        (one, other)
        for number, one in enumerate(drawn)
        for other in drawn[:number]
        if abs(one[0] - other[0]) < one[2] - 1e-6 and abs(one[1] - other[1]) < one[3] - 1e-6
    ]


def pixels(page: Page) -> str:
    """Return the drawn pixels."""
    return str(page.locator(".projection-frame > canvas").evaluate("canvas => canvas.toDataURL()"))


def test_page(browser: Browser, tmp_path: Path, store_factory: StoreFactory) -> None:
    made = projection.project(store_factory(tmp_path, {0: [40]}))
    assert made is not None
    made.captions[:] = ["</script><img src=x onerror=alert(1)>"] * 40
    file = tmp_path / "projection.html"
    file.write_text(html(made, "toys <b>"), encoding="utf-8")
    page = browser.new_page(viewport={"width": 900, "height": 700})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.add_init_script(DRAWN)
    page.goto(file.as_uri())
    canvas = page.locator(".projection-frame > canvas")
    page.wait_for_function(
        "() => { const c = document.querySelector('.projection-frame > canvas');"
        " return c.width && c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        ".data.some((v, i) => i % 4 === 0 && v > 150); }"
    )
    assert covering(page) == []
    before = pixels(page)
    page.locator("[data-zoom=in]").click()
    zoomed = pixels(page)
    assert covering(page) == []
    assert zoomed != before
    canvas.focus()
    page.keyboard.press("ArrowRight")
    assert pixels(page) != zoomed
    page.keyboard.press("0")
    assert pixels(page) == before

    x, y = made.points[5] * 0.92 + 0.04
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + float(x) * box["width"], box["y"] + float(y) * box["height"])
    expect(page.locator(".projection-tip span")).to_have_text(made.captions[0])
    assert page.locator("img:not(.projection-tiles)").count() == 0
    assert page.title().startswith("toys <b> ")
    assert complaints == []
    page.close()


def test_in_a_run(tmp_path: Path, store_factory: StoreFactory) -> None:
    store = store_factory(tmp_path, {0: [40]})
    with tracking.start_run(
        TrackingConfig("offline"), RunSpec("index", "x", str(tmp_path), {})
    ) as run:
        projection.log_projection(run, store)
    (found,) = read_runs(str(tmp_path))
    shown = found.summary["projection"]
    assert shown["_type"] == "html-file"
    text = (found.folders[0] / "files" / shown["path"]).read_text(encoding="utf-8")
    assert "40 of 40 images" in text
    assert "http://" not in text.replace("http://www.w3.org/", "")


def test_without_the_package(
    tmp_path: Path,
    store_factory: StoreFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    store = store_factory(tmp_path, {0: [40]})
    with tracking.start_run(
        TrackingConfig("offline"), RunSpec("index", "x", str(tmp_path), {})
    ) as run:
        projection.log_projection(run, store)
    assert "the run has no projection of the images: " in caplog.text
    assert "pip install 'clipvec[dashboard]'" in caplog.text
    (found,) = read_runs(str(tmp_path))
    assert found.exit_code == 0
