from . import format, page, palette, svg
from .format import number, percent, share
from .palette import GROUND, look
from .scales import count_scale, recall_scale

__all__ = [
    "GROUND",
    "count_scale",
    "format",
    "look",
    "number",
    "page",
    "palette",
    "percent",
    "recall_scale",
    "share",
    "svg",
]
