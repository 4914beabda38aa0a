from .page import ASSETS, PROJECTION_KEY, log_projection, template_values
from .plane import project

__all__ = [
    "ASSETS",
    "PROJECTION_KEY",
    "log_projection",
    "project",
    "template_values",
]
