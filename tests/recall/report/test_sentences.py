from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clipvec.bootstrap import Interval
from clipvec.recall.report import sentences as words
from clipvec.recall.results import Candidate
from clipvec.web import format
from tests.reports import recommendation, report, systems


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (0.55, "0.550"),
        (1, "1.00"),
        (12.04, "12.0"),
        (99.97, "100"),
        (1234.5, "1,234"),
        (8_000_000, "8,000,000"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert format.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.000"), (0.9994, "0.999"), (0.9996, "0.9996"), (0.99999, "0.9999"), (1, "1.000")],
)
def test_share_rounds_nothing_up_to_one(value: float, text: str) -> None:
    assert format.share(value) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (96, "96.0 B"), (2048, "2.05 kB"), (1.84e9, "1.84 GB"), (5e15, "5,000 TB")],
)
def test_size(count: float, text: str) -> None:
    assert format.size(count) == text


def test_parameters() -> None:
    assert words.parameters({"nprobe": 8, "k_factor": 1.5}) == "nprobe=8, k_factor=1.5"
    assert words.parameters({}) == "as built"


def test_moment() -> None:
    assert format.moment("2026-03-04T05:06:07Z") == "2026-03-04 05:06 UTC"
    assert format.moment("2026-03-04T05:06:07") == "2026-03-04 05:06"
    assert format.moment("<b>yesterday</b>") == "<b>yesterday</b>"


def test_long_lists_are_counted() -> None:
    fingerprint = {"model": {"golden": [0.5] * 512, "name": "x"}, "short": [1, 2]}
    brief = {"model": {"golden": "512 values", "name": "x"}, "short": [1, 2]}
    assert format.brief(fingerprint) == brief


@pytest.mark.parametrize(
    ("low", "value", "high", "said"),
    [
        (0.951, 0.96, 0.97, "Even the lower end of its interval meets the target."),
        (0.945, 0.96, 0.97, "the next wider setting is safer"),
        (0.93, 0.945, 0.96, "below the target but within the interval"),
        (0.90, 0.92, 0.94, "contradicts the choice: take the next wider setting"),
    ],
)
def test_a_recommendation_states_its_uncertainty(
    low: float, value: float, high: float, said: str
) -> None:
    rounds = (10, 9, 11)
    choice = Candidate("x", {}, Interval(0.955, 0.94, 0.97), Interval(value, low, high), *rounds)
    sentences = words.recommendation(replace(recommendation(), choice=choice))
    assert sentences[0] == "The cheapest setting that reaches recall@10 of 0.95 on text queries."
    halves = "where its recall is 0.955 (95 % prediction interval for the other half 0.940-0.970)"
    assert halves.replace("0-0", "0\N{EN DASH}0") in sentences[1]
    assert said in sentences[1]


def test_a_recommendation_says_when_nothing_is_good_enough() -> None:
    met = recommendation()
    unmet = replace(met, choice=None, nearest=met.choice)
    assert (
        words.recommendation(unmet)[0]
        == "Nothing that was measured reaches recall@10 of 0.95 on text queries."
    )
    assert words.recommendation(unmet)[1].startswith("This comes nearest.")


def test_a_recommendation_says_why_there_is_none() -> None:
    none = replace(recommendation(), choice=None)
    assert words.recommendation(replace(none, num_settings=0)) == [
        "No recall@10 was measured with text queries."
    ]
    assert words.recommendation(none) == [
        "One text query cannot both select a setting and validate it."
    ]


def test_a_recommendation_as_a_line_says_why_a_system_was_not_measured() -> None:
    none = replace(recommendation(), choice=None, num_settings=0)
    skipped = [replace(each, skipped=f"no {each.name}") for each in systems()[:2]]
    said = "text queries: no recall@10 was measured with text queries"
    assert words.recommended(none, []) == said
    assert [each.kind for each in skipped] == ["chroma", "faiss"]
    reasons = [f"; {each.name}: no {each.name}" for each in skipped]
    assert words.recommended(none, skipped) == said + "".join(reasons)
    assert words.recommended(replace(none, among="served"), skipped) == (
        f"text queries, served by clipvec: no recall@10 was measured with text queries{reasons[0]}"
    )


def test_a_recommendation_as_a_line() -> None:
    met = replace(recommendation(), among="served")
    said = (
        "hnsw32 efSearch=128: recall@10 0.961 (95 % CI 0.949\N{EN DASH}0.971, held-out queries), "
        "1,022 QPS (990\N{EN DASH}1,100 across rounds)"
    )
    assert words.recommended(met, []) == f"text queries, served by clipvec: {said}"
    unmet = replace(met, among="all", choice=None, nearest=met.choice)
    assert words.recommended(unmet, []) == (
        f"text queries: nothing reaches recall@10 of 0.95; nearest is {said}"
    )


def test_an_unknown_percentile_is_a_dash() -> None:
    assert (format.milliseconds(12.04), format.milliseconds(None)) == ("12.0", "\N{EN DASH}")


def test_short_truncates_long_text() -> None:
    assert format.short("w" * 50, 10) == "w" * 9 + "…"
    assert format.short("short", 10) == "short"


def test_small_collections_are_served_exactly(folder: Path) -> None:
    """50,000 rows of 512 numbers are; twice as many are not."""
    said = words.served_exactly(report())
    assert said.endswith("of so small a collection, where it is in a folder, and miss none.")
    for page in ("report.md", "report.html"):
        assert said in (folder / page).read_text(encoding="utf-8")
    assert not words.served_exactly(report(rows=100_000))
    others = [system for system in report().systems if system.kind != "chroma"]
    assert not words.served_exactly(report(systems=others))
