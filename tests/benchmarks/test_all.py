"""Results of benchmarks become tables of a page."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import all as benchmarks
from benchmarks.result import LINE, result

PAGE = """# Performance
<!-- python -m benchmarks.one --rows 2 -->
old
<!-- end -->
between
<!-- python -m benchmarks.two -->
<!-- end -->
"""


def test_the_line_of_a_result_is_read() -> None:
    ((name, ratio, detail, load),) = LINE.findall("noise\n" + result("a: b", 1.234, "x (y); z"))
    assert (name, ratio, detail) == ("a: b", "1.23", "x (y); z")
    assert float(load) >= 0


def test_results_replace_those_of_the_same_command(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE)
    benchmarks.update(
        page, "one --rows 2", f"other output\n{result('rows', 2, '4 and 2 rows/s')}\n"
    )
    text = page.read_text()
    assert "| rows | 2.00 | 4 and 2 rows/s |\n\n<!-- end -->\nbetween" in text
    assert "`python -m benchmarks.one --rows 2` (" in text
    assert "old" not in text
    assert text.endswith("<!-- python -m benchmarks.two -->\n<!-- end -->\n")


def test_a_benchmark_without_a_result_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two printed no result"):
        benchmarks.table("two", "nothing\n")
