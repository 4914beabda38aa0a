from . import format, page, palette, svg
from .format import number, percent, share
from .page import jpeg_url
from .palette import GROUND, look

__all__ = [
    "GROUND",
    "format",
    "jpeg_url",
    "look",
    "number",
    "page",
    "palette",
    "percent",
    "share",
    "svg",
]
