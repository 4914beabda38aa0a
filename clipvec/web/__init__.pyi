from . import format, markdown, page, palette, report_files, svg
from .format import number, percent, share
from .page import jpeg_url
from .palette import GROUND, line_style
from .scales import count_scale, recall_scale

__all__ = [
    "GROUND",
    "count_scale",
    "format",
    "jpeg_url",
    "line_style",
    "markdown",
    "number",
    "page",
    "palette",
    "percent",
    "recall_scale",
    "report_files",
    "share",
    "svg",
]
