"""The interface of a tracked run, and the run that logs nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType


@dataclass(frozen=True)
class Artifact:
    """An output or input of a run; equal contents are one version."""

    kind: str
    """``store``, ``index`` or ``report``."""
    name: str
    url: str = ""
    """Its location: a folder or a URL, which is referenced, not copied."""
    contents: Mapping[str, Any] = field(default_factory=dict)
    """What identifies this version, as plain JSON values; stored as ``<kind>.json``."""
    files: Sequence[Path] = ()
    """Files to copy."""


@dataclass(frozen=True)
class Table:
    """A table; cells may be an `ImageCell`."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class ImageCell:
    """A JPEG in a table cell."""

    jpeg: bytes
    caption: str


@dataclass(frozen=True)
class LineChart:
    """A chart of several lines, each with its own points."""

    title: str
    x: str
    """Label of the x axis."""
    points: Mapping[str, Sequence[tuple[float, float]]]
    """The points of each line, by its name."""


class Run(Protocol):
    """A tracked run; its errors never affect the work."""

    @property
    def tracked(self) -> bool:
        """Whether anything is recorded."""
        ...

    def should_log(self) -> bool:
        """Return whether it is time to log the next point of a curve."""
        ...

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to curves; steps must increase."""
        ...

    def update_summary(self, values: Mapping[str, Any]) -> None:
        """Set summary values of the whole run."""
        ...

    def log_table(self, name: str, table: Table) -> None:
        """Log a table."""
        ...

    def log_chart(self, name: str, chart: LineChart) -> None:
        """Log a chart."""
        ...

    def log_html(self, name: str, html: str) -> None:
        """Log a self-contained HTML page."""
        ...

    def use_artifact(self, artifact: Artifact) -> None:
        """Record an input of the run."""
        ...

    def log_artifact(self, artifact: Artifact) -> None:
        """Record an output of the run."""
        ...

    def finish(self, exit_code: int = 0) -> None:
        """End the run; a non-zero exit code marks it as failed."""
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
