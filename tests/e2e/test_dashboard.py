"""The local dashboard of real runs: a sweep, an index and a recall report."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Run
from tests.e2e.test_tracking import two_tars
from tests.recall.report.test_page import Visit


def test_a_sweep_on_a_page(run: Run, tiny: list[str], tmp_path: Path, browser: Browser) -> None:
    images = two_tars(tmp_path)
    often = "tracking.log_interval_s=1e-9"
    run("embed", "-m", "launcher=workers", often, *tiny, *images)
    run("index", *tiny, *images, "tracking=offline", often)
    # k of 100 needs more rows than 40 images
    quick = [
        "systems=quick",
        "measure=quick",
        "measure.time_budget_s=1",
        "measure.recall_at=[1,10]",
    ]
    run("recall", *tiny, *images, "tracking=offline", *quick)

    names = [*images[:2], "model=local"]
    done = run("dashboard", "--local", *names, "model.pretrained=x")
    sweep, *_ = done.stdout.split(",")
    assert sweep.startswith("embed-")
    assert done.stdout == f"{sweep}, 5 runs: data/dashboards/webdataset--local.html\n"
    visit = Visit(browser, tmp_path / "data/dashboards/webdataset--local.html")
    page = visit.page
    expect(page.locator(".lead")).to_contain_text(
        "41 images of webdataset--local, in 2 of 2 shards"
    )
    expect(page.locator("#sweep tbody tr")).to_have_count(2)
    expect(page.locator("#embedding .images img").first).to_be_visible()
    expect(page.locator("#index dd", has_text="40 of 40 rows found")).to_be_visible()
    expect(page.locator("#recall figure")).to_have_count(4)
    expect(page.locator(".projection figcaption")).to_contain_text("40 of 40 images")
    visit.close()


@pytest.mark.parametrize("launcher", ["sky", "workers"])
def test_it_is_not_swept_to_the_cloud(run: Run, launcher: str) -> None:
    done = run("dashboard", f"launcher={launcher}", exit_code=2)
    assert "launcher" in done.stderr
    assert done.stderr.count("\n") == 1
