"""What a panel is: a part of a dashboard that draws itself in wandb and on the local page."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from clipvec.tracking import RecordedRun


class Slot(Enum):
    """Where a section of the local page puts a panel."""

    NUMBERS = "numbers"
    """In the list of numbers, as a ``<div>`` with ``<dt>`` and ``<dd>``."""
    FIGURES = "figures"
    """In the grid of figures, as a ``<figure>``."""
    WIDE = "wide"
    """Below, in the full width of the page."""


@dataclass(frozen=True)
class Panel(ABC):
    """A part of a section."""

    title: str

    slot: ClassVar[Slot]
    wandb_size: ClassVar[tuple[int, int] | None]
    """Columns, of 24, and rows in a wandb report; None: a column of wandb's table of runs."""

    @property
    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """What it shows of a run, as runs log it: a key that ends in ``/`` is a prefix."""

    @property
    def label(self) -> str:
        """The panel in an outline."""
        return self.title

    @abstractmethod
    def wandb(self, step: str) -> Any:
        """Return the panel as an object of ``wandb_workspaces.reports.v2``.

        Args:
            step: what the steps of the runs count; empty: they have none.
        """

    @abstractmethod
    def html(self, name: str, step: str, runs: Sequence[RecordedRun]) -> Markup | None:
        """Return the panel as an element of the local page; None: the runs have nothing for it.

        Args:
            name: unique on the page, for ids.
            step: as of `wandb`.
            runs: at least one, the oldest first.
        """


@dataclass(frozen=True)
class Section:
    """Panels of one kind of run."""

    title: str
    job_type: str
    panels: tuple[Panel, ...]
    step: str = ""
    """What the steps of such runs count."""

    @property
    def columns(self) -> tuple[Panel, ...]:
        """The panels that are columns of wandb's table of runs."""
        return tuple(panel for panel in self.panels if panel.wandb_size is None)

    @property
    def drawn(self) -> tuple[Panel, ...]:
        """The other panels."""
        return tuple(panel for panel in self.panels if panel.wandb_size is not None)
