from . import settings

__all__ = [
    "settings",
]
