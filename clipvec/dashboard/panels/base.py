"""The interface of a panel, which renders itself for wandb and for the local page."""

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
    """Where a panel goes within a section of the local page."""

    NUMBERS = "numbers"
    """In the list of numbers, as a ``<div>`` of ``<dt>`` and ``<dd>``."""
    FIGURES = "figures"
    """In the grid of figures, as a ``<figure>``."""
    WIDE = "wide"
    """Below those, at full page width."""


@dataclass(frozen=True)
class Panel(ABC):
    """One panel of a section."""

    title: str

    slot: ClassVar[Slot]
    wandb_size: ClassVar[tuple[int, int] | None]
    """Columns (of 24) and rows in a wandb report; None: a column of wandb's runs table."""

    @property
    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """The logged keys that it shows; a key ending in ``/`` is a prefix."""

    @property
    def label(self) -> str:
        """The panel's name in an outline."""
        return self.title

    @abstractmethod
    def wandb(self, step: str) -> Any:
        """Return the panel as an object of ``wandb_workspaces.reports.v2``.

        Args:
            step: unit of the runs' steps; empty: they have none.
        """

    @abstractmethod
    def html(self, name: str, step: str, runs: Sequence[RecordedRun]) -> Markup | None:
        """Return the panel as an element of the local page; None: the runs have no data for it.

        Args:
            name: unique on the page, for ids.
            step: as in `wandb`.
            runs: at least one, oldest first.
        """


@dataclass(frozen=True)
class Section:
    """The panels of one kind of run."""

    title: str
    job_type: str
    panels: tuple[Panel, ...]
    step: str = ""
    """Unit of the runs' steps."""

    @property
    def columns(self) -> tuple[Panel, ...]:
        """The panels that are columns of wandb's runs table."""
        return tuple(panel for panel in self.panels if panel.wandb_size is None)

    @property
    def drawn(self) -> tuple[Panel, ...]:
        """The other panels."""
        return tuple(panel for panel in self.panels if panel.wandb_size is not None)
