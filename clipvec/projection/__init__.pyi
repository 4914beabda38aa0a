from .page import ASSETS, PROJECTION_KEY, log_projection, template_values
from .plane import project
from .stored import NOWHERE, StoredProjection

__all__ = [
    "ASSETS",
    "NOWHERE",
    "PROJECTION_KEY",
    "StoredProjection",
    "log_projection",
    "project",
    "template_values",
]
