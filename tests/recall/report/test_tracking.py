"""A report in a tracked run: the same figures as on its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipvec import tracking
from clipvec.config import TrackingConfig
from clipvec.recall import report as reports
from clipvec.tracking import RunSpec
from clipvec.tracking.run import NoopRun
from tests.reports import report
from tests.wandb_files import RecordedRun, recorded


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> RecordedRun:
    """The run of an ordinary report, read from its files."""
    root = tmp_path_factory.mktemp("store")
    with tracking.start_run(
        TrackingConfig(mode="offline"), RunSpec("recall", "x", str(root), {})
    ) as run:
        reports.track(run, report(), folder / "report.html", "toys--toy")
    (found,) = recorded(root)
    return found


def test_tables(run: RecordedRun) -> None:
    made = report()
    measured = [c for c in made.systems if not c.skipped]
    rows = run.table("settings")
    settings = [s for c in measured for s in c.settings]
    assert len(rows) == sum(len(s.latency) for s in settings)
    first = measured[0].settings[0]
    (row,) = [
        r
        for r in rows
        if (r["index"], r["queries"], r["load"]) == (measured[0].name, "text", "one at a time")
        and r["qps"] in {s.qps for s in first.latency}
    ]
    (recall,) = [r for r in first.recall if r.kind == "text"]
    assert row["recall@10"] == recall.recall_at[10].value
    assert any(r["on_front"] for r in rows)
    assert {r["index"] for r in run.table("builds")} == {c.name for c in measured if c.build}
    searches = sum(len(s.filtered) for s in settings)
    assert len(run.table("filtered")) == searches > 0


def test_pareto_charts(run: RecordedRun) -> None:
    shown = set(run.config["_wandb"]["visualize"])
    assert shown == {f"pareto/{kind}@{k}" for kind in ("text", "image") for k in (1, 10, 100)}
    points = run.table("pareto/text@10_table")
    front = [(p["step"], p["lineVal"]) for p in points if p["lineKey"] == "Pareto front"]
    assert len(front) > 1
    assert [qps for _, qps in front] == sorted((qps for _, qps in front), reverse=True)
    assert [recall for recall, _ in front] == sorted(recall for recall, _ in front)


def test_recommendations_and_the_report_itself(run: RecordedRun, folder: Path) -> None:
    found = report().recommendations[0]
    assert found.choice is not None
    told = run.summary[f"recommendation/{found.kind}/{found.among}"]
    assert told["met"] is True
    assert told["index"] == found.choice.system
    assert told["recall"] == found.choice.validation.value
    files = run.artifacts["report-toys--toy"].files
    assert set(files) == {"report.html", "report.json"}
    assert files["report.html"].read_bytes() == (folder / "report.html").read_bytes()


def test_untracked(tmp_path: Path) -> None:
    reports.track(NoopRun(), report(), tmp_path / "missing.html", "toys--toy")
