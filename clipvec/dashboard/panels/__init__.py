"""The panels of each kind of run: the same ones in wandb and on the local page.

Each kind of panel is a module here and renders itself for both. `sections.SECTIONS` declares the
panels; other packages add theirs through entry points, see docs/extending.md.
"""

from clipvec.dashboard.panels.base import Panel, Section, Slot
from clipvec.dashboard.panels.sections import SECTIONS, all_sections

__all__ = ["SECTIONS", "Panel", "Section", "Slot", "all_sections"]
