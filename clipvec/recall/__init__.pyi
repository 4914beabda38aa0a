from .report.figures import count_scale, recall_scale

__all__ = [
    "count_scale",
    "recall_scale",
]
