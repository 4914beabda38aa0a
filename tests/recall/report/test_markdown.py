from __future__ import annotations

import re
from pathlib import Path

from tests.recall.report.conftest import HOSTILE


def test_report_starts_with_the_recommendations(folder: Path) -> None:
    lines = (folder / "report.md").read_text(encoding="utf-8").splitlines()
    assert lines[:5] == [
        "# Recall of sample · sample",
        "",
        "50,000 vectors of 512 dimensions, searched by 1,000 text queries and 1,000 image queries. "
        "Measured 2026-03-04 05:06 UTC.",
        "",
        "## Recommendations",
    ]
    assert "### Text queries: hnsw32, efSearch=128" in lines
    measured = (
        "Recall@10 0.961 (0.949-0.971), 1,022 QPS (990-1,100 across rounds), "
        "15.5 times exact search."
    )
    assert measured.replace("-", "\N{EN DASH}") in lines


def test_tables_show_sample_sizes(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8").replace("\N{EN DASH}", "-")
    searched = "| flat | as built | text | stars \\< 1 | 1 % | 10 | 80 | 1.000 (1.000-1.000) |"
    assert f"{searched} 20.4 (18.4-22.4) |" in text
    assert "| 68.0 (64.6-70.7) | 14.7 | 23.5 | 42.6 | 900 |" in text
    assert "| not known | not known | 125 MB | 2,500 | 2026-03-03 12:00 UTC |" in text


def test_tables_hold_together(hostile: Path, folder: Path) -> None:
    for place in (hostile, folder):
        text = (place / "report.md").read_text(encoding="utf-8")
        tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
        assert len(tables) >= 4
        for table in tables:
            columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(columns) == 1, table
            assert re.fullmatch(r"\|( -+:? \|)+", table.splitlines()[1])


def test_figures_that_are_linked_exist(folder: Path) -> None:
    text = (folder / "report.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((figures/.+?)\)", text)
    assert "figures/recall-at-10-single.png" in links
    assert len(links) == len(set(links)) == 14
    for link in links:
        assert (folder / link).is_file()
        assert (folder / link).with_suffix(".svg").is_file()


def test_hostile_names_stay_text(hostile: Path) -> None:
    text = (hostile / "report.md").read_text(encoding="utf-8")
    outside = re.sub(r"^(`{3,})\n.*?\n\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)<(script|img|b|/)", outside)
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text
    assert HOSTILE[4].replace("$", r"\$").replace("\\frac", r"\\frac") in text
