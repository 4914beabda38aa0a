"""Reports of recall benchmarks: what was measured as a page, Markdown, JSON and figures.

read      report.json → Report
write     a Report, or several in one plot → a folder
compare   two Reports → what changed, as Markdown and as a page
track     a Report → tables and charts of a tracked run
"""

from __future__ import annotations

from clipvec.recall.report.compare import Comparison, compare
from clipvec.recall.report.files import comparison_markdown, read, write, write_comparison
from clipvec.recall.report.tracking import track

__all__ = [
    "Comparison",
    "compare",
    "comparison_markdown",
    "read",
    "track",
    "write",
    "write_comparison",
]
