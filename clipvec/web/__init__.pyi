from . import format, page, palette, svg
from .format import number, percent, share
from .page import jpeg_url
from .palette import GROUND, look
from .scales import count_scale, recall_scale

__all__ = [
    "GROUND",
    "count_scale",
    "format",
    "jpeg_url",
    "look",
    "number",
    "page",
    "palette",
    "percent",
    "recall_scale",
    "share",
    "svg",
]
