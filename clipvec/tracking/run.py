"""What can be told to a run, and the run that listens to nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType


@dataclass(frozen=True)
class Artifact:
    """Something that a run made, or that it used; equal contents are one version of it."""

    kind: str
    """``store``, ``index`` or ``report``."""
    name: str
    url: str = ""
    """Where it lies: a folder or a URL, which is referred to and not copied."""
    contents: Mapping[str, Any] = field(default_factory=dict)
    """What tells this version from others, as plain JSON values; kept as ``<kind>.json``."""
    files: Sequence[Path] = ()
    """Files to copy."""


@dataclass(frozen=True)
class Rows:
    """A table: values by column, a cell of which may be a `Picture`."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Picture:
    """A JPEG as a cell of a table."""

    jpeg: bytes
    caption: str


@dataclass(frozen=True)
class Lines:
    """A chart of several lines, each with points of its own."""

    title: str
    x: str
    """What the x axis is."""
    points: Mapping[str, Sequence[tuple[float, float]]]
    """The points of each line by its name."""


class Run(Protocol):
    """One tracked run; nothing that goes wrong in here reaches the work."""

    @property
    def tracked(self) -> bool:
        """Whether anybody listens."""
        ...

    def due(self) -> bool:
        """Return whether it is time for the next point of a curve."""
        ...

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to curves; steps only grow."""
        ...

    def describe(self, values: Mapping[str, Any]) -> None:
        """Add to the configuration that is shown with the run."""
        ...

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Set values that stand for the whole run."""
        ...

    def table(self, name: str, rows: Rows) -> None:
        """Show a table."""
        ...

    def chart(self, name: str, lines: Lines) -> None:
        """Show a chart."""
        ...

    def page(self, name: str, html: str) -> None:
        """Show an HTML page that asks for nothing else."""
        ...

    def used(self, artifact: Artifact) -> None:
        """Say what the run reads."""
        ...

    def made(self, artifact: Artifact) -> None:
        """Say what the run made."""
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


class Untracked:
    """A run that nobody listens to."""

    tracked = False

    def due(self) -> bool:
        """Return False."""
        return False

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Do nothing."""

    def describe(self, values: Mapping[str, Any]) -> None:
        """Do nothing."""

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Do nothing."""

    def table(self, name: str, rows: Rows) -> None:
        """Do nothing."""

    def chart(self, name: str, lines: Lines) -> None:
        """Do nothing."""

    def page(self, name: str, html: str) -> None:
        """Do nothing."""

    def used(self, artifact: Artifact) -> None:
        """Do nothing."""

    def made(self, artifact: Artifact) -> None:
        """Do nothing."""

    def finish(self, exit_code: int = 0) -> None:
        """Do nothing."""

    def __enter__(self) -> Untracked:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass
