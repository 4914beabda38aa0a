from . import report
from .apply_params import apply
from .report import curves
from .results import Report
from .run import RecallSummary, benchmark, check_packages

__all__ = [
    "RecallSummary",
    "Report",
    "apply",
    "benchmark",
    "check_packages",
    "curves",
    "report",
]
