from . import format, page, palette, svg
from .format import number, percent, plain, share
from .palette import GROUND, look

__all__ = [
    "GROUND",
    "format",
    "look",
    "number",
    "page",
    "palette",
    "percent",
    "plain",
    "share",
    "svg",
]
