from .page import MAP, PART, show, values
from .plane import draw

__all__ = [
    "MAP",
    "PART",
    "draw",
    "show",
    "values",
]
