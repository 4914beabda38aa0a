"""The report as files, in a browser and in a tracked run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from clipvec import paths, tracking
from clipvec.config import TrackingConfig
from clipvec.evaluate import report as reports
from clipvec.evaluate.deployments import Known
from clipvec.evaluate.report import plots
from clipvec.tracking import RunSpec
from clipvec.web import panels
from tests.evaluate.made import evaluation, model
from tests.wandb_files import recorded


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 24), (200, 30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a report of two models."""
    place = tmp_path_factory.mktemp("evaluation")
    pictures = {f"img/{number}": jpeg() for number in (1, 2, 3)}
    reports.write(evaluation(max_price=3), place, pictures)
    return place


def test_files(folder: Path) -> None:
    files = paths.ReportPaths(folder)
    assert reports.read(folder) == evaluation(max_price=3)
    written = json.loads(files.data.read_text())
    assert written["schema_version"] == 3
    schema = json.loads(files.schema.read_text())
    jsonschema.validate({k: v for k, v in written.items() if k != "$schema"}, schema)
    text = files.markdown.read_text()
    assert "Take large \\<b\\>, exact under max" in text
    assert "| a red \\<bird\\> | 0.200 | img/5 | img/6, img/5 |" in text
    assert "| small | fp16, 512 | hnsw32 efSearch=128 | 0.600 (0.580\N{EN DASH}0.620) |" in text
    for name in ("quality", "costs"):
        assert f"](figures/{name}.png)" in text
        for suffix in ("png", "svg"):
            assert (folder / paths.ReportPaths.figure(name, suffix)).stat().st_size > 1000


def test_the_page(browser: Browser, folder: Path) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 800})
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((folder / "report.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1280, "height": 900})
    expect(page.locator("#advice")).to_contain_text("Take large <b>, exact under max_price=3")
    assert page.locator("b:text('exact')").count() == 0
    rows = page.locator("#deployments tbody tr")
    made = evaluation(max_price=3)
    expect(rows).to_have_count(len(made.deployments))
    front = sum(each.on_front for each in made.deployments)
    expect(page.locator("#deployments .front")).to_have_count(front)
    page.get_by_role("button", name="Queries/s").click()
    shown = page.locator("#deployments tbody td:nth-child(9)").all_inner_texts()
    known = [float(text.replace(",", "")) for text in shown if text != "\N{EN DASH}"]
    assert known == sorted(known, reverse=True)
    assert shown[-1] == "\N{EN DASH}"  # gaps last

    figures = page.locator("figure svg[role=img][aria-label]")
    titles = ["Images a second", "USD a million images", "Queries a second", "Bytes a row"]
    expect(page.locator("#deployments figure h3")).to_have_text(titles)
    expect(page.locator("#quality figure h3")).to_have_count(4)
    expect(figures).to_have_count(8)
    expect(page.locator("#deployments ul.legend li")).to_have_text(["small", "large <b>"])
    for figure in figures.all():
        box = figure.bounding_box()
        assert box
        assert box["width"] > 200
        assert box["height"] > 60
    point = page.locator("#quality [data-tip*='small']").first
    point.hover(force=True)
    expect(page.locator("#tip")).to_contain_text("recall@10 0.600 (0.580")

    pair = page.locator("#neighbours .pair")
    expect(pair).to_have_count(1)
    expect(pair.locator(".thumb")).to_have_count(5)
    assert pair.locator("img").evaluate_all("(all) => all.map((i) => i.naturalWidth)") == [32] * 4
    expect(pair.locator(".thumb:not(:has(img))")).to_have_text("img/4")
    expect(pair.locator(".both")).to_have_count(2)
    asked = page.locator("#answers .pair")
    expect(asked.locator("q")).to_have_text("a red <bird>")
    expect(asked.locator(".thumb")).to_have_text(["img/5", "img/6", "img/5"])
    assert page.locator("img:not([alt]), img[alt='']").count() == 0
    assert complaints == []
    page.close()


def test_plots_say_what_they_show() -> None:
    quality, costs = plots.plots(evaluation())
    to_image, _, zero_shot, _ = quality.panels
    assert to_image.alt == (
        "Plot of caption \N{RIGHTWARDS ARROW} image recall@10. small: 0.600 (0.580\N{EN DASH}0.620)"
        "; large <b>: 0.700 (0.680\N{EN DASH}0.720). Chance: 0.010."
    )
    assert zero_shot.title == "zero-shot accuracy"
    speed, price, queries, size = costs.panels
    assert speed.alt.startswith("Scatter plot of caption")
    assert "large <b>, exact: 0.700 at 50.0, on the Pareto front" in speed.alt
    assert "large" not in queries.alt  # it has no recall report
    for panel, element in zip(costs.panels, panels.inline(costs), strict=True):
        root = ElementTree.fromstring(element)
        tips = [each.attrib["data-tip"] for each in root.iter() if "data-tip" in each.attrib]
        assert len(tips) == panel.alt.count(" at "), panel.title
    assert price.title, size.title


def test_one_model_without_costs_has_no_plot_of_them() -> None:
    alone = evaluation(model("only", 0.5), known={"only": Known(None, "", None, None)})
    assert [plot.name for plot in plots.plots(alone)] == ["quality"]


def test_a_tracked_run(folder: Path, tmp_path: Path) -> None:
    made, offline = evaluation(max_price=3), TrackingConfig(mode="offline")
    with tracking.start_run(offline, RunSpec("evaluate", "x", str(tmp_path), {})) as run:
        reports.track(run, made, folder / "report.html", "photos--small")
    (found,) = recorded(tmp_path)
    assert found.summary["chosen"]["deployment"] == "large <b>, exact"
    assert found.summary["agreement/image/large <b>"]["overlap@10"] == 0.5
    rows = found.table("deployments")
    assert [row["index"] for row in rows] == [each.index for each in made.deployments]
    assert [row["price"] for row in rows] == [each.price for each in made.deployments]
    points = found.table("pareto/quality_table")
    front = [(p["step"], p["lineVal"]) for p in points if p["lineKey"] == "Pareto front"]
    assert front == sorted(
        (each.expected, each.qps) for each in made.deployments if each.on_front and each.qps
    )
    assert set(found.artifacts["evaluation-photos--small"].files) == {"report.html", "report.json"}
