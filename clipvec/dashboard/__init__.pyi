from .panels.base import Panel, Section, Slot

__all__ = ["Panel", "Section", "Slot"]
