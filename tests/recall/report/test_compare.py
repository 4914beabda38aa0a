from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clipvec.recall import report as reports
from clipvec.recall.report.curves import SINGLE, LoadMode
from clipvec.recall.results import Build, RecallResult, Report, SearchSetting, SystemResult
from tests.reports import interval, report, setting


def one(
    recall: float,
    half: float = 0.01,
    qps: float = 100,
    seconds: float | None = 10,
    **changes: object,
) -> Report:
    """A report of one system with one setting."""
    made = setting({"ef": 8}, 0.1, qps)
    recall_results = [RecallResult("text", {10: interval(recall, half)}, 100)]
    build = Build(10, seconds, 1000, 500)
    system = SystemResult("x", "faiss", "HNSW8", build, [replace(made, recall=recall_results)])
    return report(**({"systems": [system], "recommendations": []} | changes))


def test_change_of_one_setting() -> None:
    made = reports.compare(one(0.90), one(0.95, qps=150, seconds=25))
    (change,) = made.changes
    assert (change.system, change.kind, change.parameters) == ("x", "text", {"ef": 8})
    assert change.recall == pytest.approx(0.05)
    assert change.apart
    assert change.qps == {
        SINGLE: pytest.approx(1.5),
        LoadMode(64, 1): pytest.approx(1.5),
        LoadMode(1, 8): pytest.approx(1.5),
    }
    (build,) = made.builds
    assert (build.seconds, build.peak, build.disk) == (2.5, 1.0, 1.0)


@pytest.mark.parametrize(
    ("after", "half", "apart"),
    [(0.95, 0.01, True), (0.95, 0.06, False), (0.85, 0.01, True), (0.9, 0.01, False)],
)
def test_a_difference_means_that_intervals_do_not_overlap(
    after: float, half: float, apart: bool
) -> None:
    made = reports.compare(one(0.9), one(after, half))
    assert made.changes[0].apart is apart
    assert made.apart == apart


def test_largest_change_comes_first() -> None:
    later = report()
    worse = [
        replace(r, recall_at={k: interval(max(0, i.value - 0.3)) for k, i in r.recall_at.items()})
        for r in later.systems[2].settings[1].recall
    ]
    settings: list[SearchSetting] = list(later.systems[2].settings)
    settings[1] = replace(settings[1], recall=worse)
    systems = list(later.systems)
    systems[2] = replace(systems[2], settings=settings)
    made = reports.compare(report(), replace(later, systems=systems))
    assert [(c.system, c.parameters) for c in made.changes[:2]] == [
        ("hnsw32", {"efSearch": 32})
    ] * 2
    assert made.apart == 2
    assert len(made.changes) == 52


def test_results_that_were_taken_over_are_named() -> None:
    def measured(*times: str) -> Report:
        first = one(0.9)
        named = zip("xy", times, strict=True)
        return replace(
            first, systems=[replace(first.systems[0], name=n, measured=t) for n, t in named]
        )

    before, after = measured("2026-03-04", "2026-03-05"), measured("2026-03-04", "2026-03-06")
    assert reports.compare(before, after).taken_over == ["x"]
    said = "The results of x were measured once and taken over"
    text = reports.comparison_markdown(reports.compare(before, after))
    assert text.index(said) < text.index("Recall@10 changed")
    again = reports.comparison_markdown(reports.compare(before, before))
    assert "All results were measured once" in again
    assert "taken over" not in reports.comparison_markdown(reports.compare(one(0.9), one(0.8)))


def test_missing_entries_of_a_report_are_named() -> None:
    new = replace(one(0.9).systems[0], name="new")
    wider = replace(one(0.9).systems[0].settings[0], parameters={"ef": 16})
    before = one(0.9)
    after = replace(before, systems=[replace(before.systems[0], settings=[wider]), new])
    made = reports.compare(before, after)
    assert made.changes == []
    assert made.missing == ["x, ef=8 is in A alone", "x, ef=16 is in B alone", "new is in B alone"]
    assert "Not compared" in reports.comparison_markdown(made)


def test_existing_builds_have_no_ratio() -> None:
    made = reports.compare(one(0.9, seconds=None), one(0.9))
    assert made.builds[0].seconds is None


def test_differences_that_may_explain_a_change_are_named() -> None:
    before = one(0.9)
    after = one(
        0.9,
        rows=60_000,
        versions=before.versions | {"faiss": "2.0"},
        fingerprint={"model": {"name": "sample", "weights": "sha256:ffff", "golden": [0.5] * 512}},
    )
    assert reports.compare(before, after).differences == [
        ("rows", "50,000", "60,000"),
        ("versions: faiss", "1.15.1", "2.0"),
        ("fingerprint: model: weights", "sha256:0123abcd", "sha256:ffff"),
        ("fingerprint: model: golden", "none", '"512 values"'),
        ("fingerprint: dim", "512", "none"),
    ]
    assert reports.compare(before, before).differences == []


def test_markdown_for_the_terminal() -> None:
    text = reports.comparison_markdown(reports.compare(one(0.90), one(0.95, qps=150)))
    assert "Recall@10 changed by more than its intervals in 1 of 1 comparisons." in text
    assert "Median QPS of B: \N{MULTIPLICATION SIGN}1.50 one at a time" in text
    row = "| x | ef=8 | text | 0.900 (0.890-0.908) | 0.950 (0.940-0.958) | +0.050 | apart |"
    assert row in text.replace("\N{EN DASH}", "-")
    assert "\x1b" not in reports.comparison_markdown(
        reports.compare(one(0.9), one(0.9, store="\x1b[31m"))
    )


def test_files(tmp_path: Path) -> None:
    made = reports.compare(one(0.9), one(0.8))
    page = reports.write_comparison(made, tmp_path / "new" / "folder")
    assert page == tmp_path / "new" / "folder" / "comparison.html"
    assert page.with_suffix(".md").read_text(encoding="utf-8") == reports.comparison_markdown(made)
