from . import format, markdown, page, palette, panels, report_files, svg
from .format import number, percent, share
from .page import jpeg_url
from .palette import GROUND, LineStyle, line_style
from .panels import Panel, Tips
from .scales import count_scale, recall_scale

__all__ = [
    "GROUND",
    "LineStyle",
    "Panel",
    "Tips",
    "count_scale",
    "format",
    "jpeg_url",
    "line_style",
    "markdown",
    "number",
    "page",
    "palette",
    "panels",
    "percent",
    "recall_scale",
    "report_files",
    "share",
    "svg",
]
