from . import report
from .results import Report
from .run import RecallSummary, apply, benchmark

__all__ = [
    "RecallSummary",
    "Report",
    "apply",
    "benchmark",
    "report",
]
