"""Reports of recall benchmarks: what was measured as a page, Markdown, JSON and figures.

read      report.json → Report
write     a Report, or several in one plot → a folder
compare   two Reports → what changed, as Markdown and as a page
track     a Report → tables and charts of a tracked run
"""

from __future__ import annotations

from clipvec.recall.report.compare import Comparison, compare
from clipvec.recall.report.files import write, write_comparison
from clipvec.recall.report.markdown import comparison as comparison_markdown
from clipvec.recall.report.tracking import track
from clipvec.recall.results import DATA

read = DATA.read

__all__ = [
    "Comparison",
    "compare",
    "comparison_markdown",
    "read",
    "track",
    "write",
    "write_comparison",
]
