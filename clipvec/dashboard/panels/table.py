"""A logged table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipvec.dashboard.panels.base import Panel, Slot
from clipvec.tracking import ImageCell
from clipvec.web import jpeg_url, page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from clipvec.tracking import RecordedRun

_IMAGES = 48
"""Maximum number of images shown of a sweep."""


@dataclass(frozen=True)
class Table(Panel):
    """The rows of all runs, or their images if the table has any."""

    key: str

    slot = Slot.WIDE
    wandb_size = (24, 10)

    @property
    def keys(self) -> tuple[str, ...]:
        """The one key."""
        return (self.key,)

    def wandb(self, step: str) -> Any:
        """Return a summary table."""
        import wandb_workspaces.reports.v2 as wr

        return wr.WeavePanelSummaryTable(table_name=self.key)

    def html(self, name: str, step: str, runs: Sequence[RecordedRun]) -> Markup | None:
        """Return a sortable table, or a grid of images."""
        rows = [row for run in runs for row in run.table(self.key)]
        if not rows:
            return None
        images = [[cell for cell in row.values() if isinstance(cell, ImageCell)] for row in rows]
        if any(images):
            every = -(-len(rows) // _IMAGES)
            shown = [(jpeg_url(i.jpeg), i.caption) for i, *_ in filter(None, images[::every])]
            return page.fragment("images.html", __package__, images=shown)
        columns = list(rows[0])
        return TableView(self.title, columns, [[row[c] for c in columns] for row in rows]).html()


@dataclass(frozen=True)
class TableView:
    """A table as rendered on a page."""

    title: str
    columns: list[str]
    rows: list[list[Any]]

    @property
    def numeric(self) -> set[int]:
        """The numeric columns."""
        return {
            place
            for place, cells in enumerate(zip(*self.rows, strict=True))
            if any(isinstance(c, int | float) for c in cells)
        }

    def html(self) -> Markup:
        """Return the table, collapsed if it is long."""
        return page.fragment("table.html", __package__, table=self)
