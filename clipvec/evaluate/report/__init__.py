"""Reports of evaluations: what was found as a page, Markdown and JSON.

read      report.json → Evaluation
write     an Evaluation → a folder
track     an Evaluation → values and tables of a tracked run
"""

from __future__ import annotations

from clipvec.evaluate.report.files import write
from clipvec.evaluate.report.tracking import track
from clipvec.evaluate.results import DATA

read = DATA.read

__all__ = ["read", "track", "write"]
