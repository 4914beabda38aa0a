from __future__ import annotations

from dataclasses import replace

import pytest

from clipvec.recall.report import sentences as words
from clipvec.recall.results import Choice, Interval
from clipvec.web import format
from tests.reports import advice


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
        (0.93, 0.945, 0.96, "below the target by less than the interval can tell"),
        (0.90, 0.92, 0.94, "contradicts the choice: take the next wider setting"),
    ],
)
def test_advice_says_how_sure_it_is(low: float, value: float, high: float, said: str) -> None:
    rounds = (10, 9, 11)
    choice = Choice("x", {}, Interval(0.955, 0.94, 0.97), Interval(value, low, high), *rounds)
    sentences = words.advice(replace(advice(), choice=choice))
    assert sentences[0] == "The cheapest setting that reaches recall@10 of 0.95 on text queries."
    expected = "where it reached 0.955, so that 0.940-0.970 was to be expected of the other half"
    assert expected.replace("-", "\N{EN DASH}") in sentences[1]
    assert said in sentences[1]


def test_advice_says_when_nothing_is_good_enough() -> None:
    met = advice()
    unmet = replace(met, choice=None, nearest=met.choice)
    assert (
        words.advice(unmet)[0]
        == "Nothing that was measured reaches recall@10 of 0.95 on text queries."
    )
    assert words.advice(unmet)[1].startswith("This comes nearest.")


def test_advice_says_why_there_is_none() -> None:
    none = replace(advice(), choice=None)
    assert words.advice(replace(none, settings=0)) == [
        "No recall@10 was measured with text queries."
    ]
    assert words.advice(none) == [
        "One text query is too few to choose a setting and to confirm it on another."
    ]
    assert words.advised(replace(none, settings=0)) == (
        "text queries: no recall@10 was measured with text queries"
    )


def test_advice_as_a_line() -> None:
    met = replace(advice(), among="chroma")
    said = (
        "hnsw32 efSearch=128 (recall@10 0.961, 0.949 to 0.971, on the queries that it was not "
        "chosen on; 1,022 queries/s, 990 to 1,100 in rounds)"
    )
    assert words.advised(met) == f"text queries, Chroma alone: {said}"
    unmet = replace(met, among="all", choice=None, nearest=met.choice)
    assert words.advised(unmet) == (
        f"text queries: nothing reaches recall@10 of 0.95; nearest is {said}"
    )


def test_a_percentile_that_is_not_known_is_a_dash() -> None:
    assert (format.milliseconds(12.04), format.milliseconds(None)) == ("12.0", "\N{EN DASH}")


def test_short_cuts_what_is_too_wide() -> None:
    assert format.short("w" * 50, 10) == "w" * 9 + "…"
    assert format.short("short", 10) == "short"
