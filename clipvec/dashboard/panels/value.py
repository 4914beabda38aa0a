"""One value of a run's summary: a number, or a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from clipvec.dashboard.panels.base import Panel, Slot
from clipvec.web import format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from clipvec.tracking import RecordedRun


@dataclass(frozen=True)
class Number(Panel):
    """A number, from the newest run that has one."""

    key: str
    """Dots separate the keys of nested values."""

    slot = Slot.NUMBERS
    wandb_size: ClassVar[tuple[int, int] | None] = (4, 4)

    @property
    def keys(self) -> tuple[str, ...]:
        """The one key."""
        return (self.key,)

    def wandb(self, step: str) -> Any:
        """Return a scalar chart."""
        import wandb_workspaces.reports.v2 as wr

        return wr.ScalarChart(title=self.title, metric=self.key)

    def html(self, name: str, step: str, runs: Sequence[RecordedRun]) -> Markup | None:
        """Return the number with its title."""
        from markupsafe import Markup

        value = next((v for run in reversed(runs) if (v := self._value(run)) is not None), None)
        if value is None:
            return None
        return Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(self.title, _write(value))

    def _value(self, run: RecordedRun) -> Any:
        value: Any = run.summary
        for key in self.key.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value


@dataclass(frozen=True)
class Text(Number):
    """A text; wandb has no panel for texts, but shows it as a column of its runs table."""

    wandb_size = None


def _write(value: object) -> str:
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if float(value).is_integer() else format.number(value)
