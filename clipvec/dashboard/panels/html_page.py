"""A logged HTML page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clipvec.dashboard.panels.base import Panel, Slot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.tracking import RecordedRun


@dataclass(frozen=True)
class HtmlPage(Panel):
    """An embedded page; the local page cannot contain another one."""

    key: str

    slot = Slot.WIDE
    wandb_size = (24, 16)

    @property
    def keys(self) -> tuple[str, ...]:
        """The one key."""
        return (self.key,)

    def wandb(self, step: str) -> Any:
        """Return a media browser."""
        import wandb_workspaces.reports.v2 as wr

        return wr.MediaBrowser(title=self.title, media_keys=[self.key], num_columns=1)

    def html(self, name: str, step: str, runs: Sequence[RecordedRun]) -> None:
        """Return None: the local page draws the store's projection itself."""
