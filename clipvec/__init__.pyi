from .api.commands import (
    load_evaluation,
    load_report,
    open_index,
    open_store,
    run_embed,
    run_evaluate,
    run_index,
    run_recall,
)
from .api.search import Hit, SearchIndex
from .api.store import StoreReader
from .embed.run import EmbedSummary
from .errors import ClipvecError
from .evaluate.results import Evaluation
from .evaluate.run import EvaluateSummary
from .index.build import IndexSummary
from .recall.results import Report
from .recall.run import RecallSummary
from .version import __version__

__all__ = [
    "ClipvecError",
    "EmbedSummary",
    "EvaluateSummary",
    "Evaluation",
    "Hit",
    "IndexSummary",
    "RecallSummary",
    "Report",
    "SearchIndex",
    "StoreReader",
    "__version__",
    "load_evaluation",
    "load_report",
    "open_index",
    "open_store",
    "run_embed",
    "run_evaluate",
    "run_index",
    "run_recall",
]
