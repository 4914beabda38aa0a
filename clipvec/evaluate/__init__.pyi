from . import report
from .results import Evaluation
from .run import EvaluateSummary, evaluate

__all__ = [
    "EvaluateSummary",
    "Evaluation",
    "evaluate",
    "report",
]
