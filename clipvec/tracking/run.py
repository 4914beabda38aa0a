"""What a run logs, and the run that logs nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType


@dataclass(frozen=True)
class Artifact:
    """Something that a run made or used; equal contents are one version of it."""

    kind: str
    """``store``, ``index`` or ``report``."""
    name: str
    url: str = ""
    """Where it lies: a folder or a URL, which is referenced, not copied."""
    contents: Mapping[str, Any] = field(default_factory=dict)
    """What tells this version from others, as plain JSON values; kept as ``<kind>.json``."""
    files: Sequence[Path] = ()
    """Files to copy."""


@dataclass(frozen=True)
class Table:
    """A table: values by column, a cell of which may be an `ImageCell`."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class ImageCell:
    """A JPEG as a cell of a table."""

    jpeg: bytes
    caption: str


@dataclass(frozen=True)
class LineChart:
    """A chart of several lines, each with points of its own."""

    title: str
    x: str
    """What the x axis is."""
    points: Mapping[str, Sequence[tuple[float, float]]]
    """The points of each line by its name."""


class Run(Protocol):
    """One tracked run; what goes wrong in it never reaches the work."""

    @property
    def tracked(self) -> bool:
        """Whether anything is recorded."""
        ...

    def should_log(self) -> bool:
        """Return whether it is time for the next point of a curve."""
        ...

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to curves; steps only grow."""
        ...

    def update_summary(self, values: Mapping[str, Any]) -> None:
        """Set values that stand for the whole run."""
        ...

    def log_table(self, name: str, table: Table) -> None:
        """Show a table."""
        ...

    def log_chart(self, name: str, chart: LineChart) -> None:
        """Show a chart."""
        ...

    def log_html(self, name: str, html: str) -> None:
        """Show an HTML page that loads nothing else."""
        ...

    def use_artifact(self, artifact: Artifact) -> None:
        """Record what the run reads."""
        ...

    def log_artifact(self, artifact: Artifact) -> None:
        """Record what the run made."""
        ...

    def finish(self, exit_code: int = 0) -> None:
        """End the run; with a code that is not 0 it is shown as failed."""
        ...

    def __enter__(self) -> Run: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class NoopRun:
    """A run that records nothing."""

    tracked = False

    def should_log(self) -> bool:
        """Return False."""
        return False

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Do nothing."""

    def update_summary(self, values: Mapping[str, Any]) -> None:
        """Do nothing."""

    def log_table(self, name: str, table: Table) -> None:
        """Do nothing."""

    def log_chart(self, name: str, chart: LineChart) -> None:
        """Do nothing."""

    def log_html(self, name: str, html: str) -> None:
        """Do nothing."""

    def use_artifact(self, artifact: Artifact) -> None:
        """Do nothing."""

    def log_artifact(self, artifact: Artifact) -> None:
        """Do nothing."""

    def finish(self, exit_code: int = 0) -> None:
        """Do nothing."""

    def __enter__(self) -> NoopRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass
