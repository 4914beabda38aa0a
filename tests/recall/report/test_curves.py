from __future__ import annotations

from dataclasses import replace

import pytest

from clipvec.recall.report import curves
from clipvec.recall.report.curves import SINGLE, LoadMode, Run, Target
from clipvec.recall.results import SearchSetting, SystemResult
from tests.reports import report, setting, systems

RUN = Run("", report())


def curve(settings: list[SearchSetting], run: int = 0) -> curves.Curve:
    return curves.Curve(0, 0, run, "x", SystemResult("x", "faiss", "Flat", settings=settings))


def found(settings: list[SearchSetting], run: int = 0) -> list[curves.Point]:
    return curves.points(curve(settings, run), "image", 10, SINGLE)


def names(points: list[curves.Point]) -> list[float]:
    return [point.setting.parameters["ef"] for point in points]


def test_front_holds_unbeaten_settings() -> None:
    settings = [
        setting({"ef": 1}, missed=0.3, qps=900),
        setting({"ef": 2}, missed=0.4, qps=800),  # beaten by 1 in both
        setting({"ef": 3}, missed=0.1, qps=500),
        setting({"ef": 4}, missed=0.1, qps=400),  # as good as 3, and slower
        setting({"ef": 5}, missed=0.0, qps=10),
    ]
    assert names(curves.front(found(settings))) == [1, 3, 5]


def test_front_of_nothing_is_empty() -> None:
    assert curves.front([]) == []


def test_runs_do_not_beat_each_other() -> None:
    fast = found([setting({"ef": 1}, 0.1, 1000)], run=0)
    slow = found([setting({"ef": 2}, 0.2, 10)], run=1)
    assert [names(front) for front in curves.fronts([*fast, *slow])] == [[1], [2]]


def test_points_go_from_low_recall_to_high() -> None:
    settings = [setting({"ef": 9}, 0.1, 100), setting({"ef": 1}, 0.3, 900)]
    assert names(found(settings)) == [1, 9]


def test_shown_is_the_fastest_that_meets_the_goal() -> None:
    made = curve(
        [setting({"ef": ef}, missed, 1000 / ef) for ef, missed in ((1, 0.2), (2, 0.04), (3, 0.01))]
    )
    shown = curves.shown(made, "image", Target(0.95, 10), SINGLE)
    assert shown
    assert names([shown]) == [2]
    best = curves.shown(made, "image", Target(0.999, 10), SINGLE)
    assert best
    assert names([best]) == [3]
    assert curves.shown(curve([]), "image", Target(0.95, 10), SINGLE) is None


def test_gain_is_over_exact_search() -> None:
    choice = report().recommendations[0].choice
    assert choice
    exact = 68 * 0.97
    assert curves.gain(RUN, choice, "text") == pytest.approx(1022 / exact)
    without = replace(report(), systems=[c for c in systems() if c.factory != "Flat"])
    assert curves.gain(Run("", without), choice, "text") is None


def test_ks_and_load_modes_are_those_measured() -> None:
    assert curves.ranks([RUN]) == [1, 10, 100]
    assert curves.modes([RUN]) == [SINGLE, LoadMode(64, 1), LoadMode(1, 8)]
    assert [str(mode) for mode in curves.modes([RUN])] == [
        "one at a time",
        "in batches of 64",
        "by 8 clients",
    ]
    assert [mode.slug for mode in curves.modes([RUN])] == ["single", "batch-64", "concurrent-8"]


def test_the_target_is_that_of_the_recommendations() -> None:
    assert RUN.target == Target(0.95, 10)
    assert Run(
        "", report(recommendations=[replace(report().recommendations[0], target_recall=0.9, k=1)])
    ).target == Target(0.9, 1)
    assert Run("", report(recommendations=[])).target == Target(0.95, 10)


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ([{}], [""]),
        ([{"rows": 10_000}, {"rows": 2_000_000}], ["10,000 rows", "2,000,000 rows"]),
        (
            [{"model": "a"}, {"model": "b"}, {"model": "b", "rows": 1}],
            ["a, 50,000 rows", "b, 50,000 rows", "b, 1 rows"],
        ),
        (
            [{"created": "2026-03-04T05:06:07+00:00"}, {"created": "2026-03-05T00:00:00Z"}],
            ["2026-03-04 05:06 UTC", "2026-03-05 00:00 UTC"],
        ),
        ([{}, {}], ["run 1", "run 2"]),
        (
            [{"dim": 2}, {"dim": 4}, {"dim": 4}],
            ["2 dimensions", "4 dimensions, run 2", "4 dimensions, run 3"],
        ),
    ],
)
def test_labels_say_what_differs(changes: list[dict[str, object]], labels: list[str]) -> None:
    assert [run.label for run in curves.label([report(**change) for change in changes])] == labels


def test_skipped_systems_have_no_curve() -> None:
    made = curves.curves([RUN])
    assert [c.name for c in made] == [c.name for c in RUN.report.systems if not c.skipped]
    assert [c.number for c in made] == list(range(7))


def test_systems_have_the_same_style_in_every_run() -> None:
    runs = curves.label([report(), report(rows=1, systems=systems()[::-1])])
    styles = {(c.system.name, c.style) for c in curves.curves(runs)}
    assert len(styles) == 7


def test_filters_are_those_of_the_setting_that_has_them() -> None:
    (hnsw,) = [c for c in curves.curves([RUN]) if c.name == "hnsw32"]
    picked = curves.filtered(hnsw, "text", RUN.target, SINGLE)
    assert picked
    assert picked[0].parameters == {"efSearch": 64}
    assert [search.selectivity for search in picked[1]] == [0.01, 0.1, 0.5]
    assert curves.filtered(curve([setting({}, 0, 1)]), "text", RUN.target, SINGLE) is None
