"""Progress of long-running work: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from clipvec.errors import printable, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

log = logging.getLogger(__name__)
LINE_SECONDS = 10.0
"""Minimum time between two lines of one task when there is no terminal."""


class TerminalHandler(logging.StreamHandler[TextIO]):
    """Writes messages to the current stderr: above the bars, while there are any."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]  # a plain attribute in logging
        """Return the current stderr."""
        return sys.stderr


class Formatter(logging.Formatter):
    """Leaves out of messages what should not be seen: other packages log what they were given.

    These are the secrets of URLs, and characters of names that a terminal would obey.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record."""
        text = without_secrets(super().format(record))
        return "\n".join(map(printable, text.split("\n")))


@contextmanager
def logs_on_terminal() -> Iterator[None]:
    """Have the warnings of all packages on the terminal, unformatted.

    Without a handler a package that logs by ``logging.warning``, as open_clip does, installs one
    of its own, which puts levels and names of modules in front.
    """
    handler, root = TerminalHandler(), logging.getLogger()
    handler.setFormatter(Formatter())
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)


class _HubRetries(logging.Filter):
    """Says once what huggingface_hub says in two lines for each of its retries."""

    def __init__(self) -> None:
        super().__init__()
        self._said = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Let no line through."""
        if not self._said:
            self._said = True
            reason = record.getMessage().partition("' thrown while requesting")[0].lstrip("'")
            log.warning("the Hugging Face hub does not answer (%s); trying again", reason)
        return False


def say_hub_retries_once() -> None:
    """Have one line for all retries of huggingface_hub in this process."""
    logger = logging.getLogger("huggingface_hub.utils._http")
    if not any(isinstance(each, _HubRetries) for each in logger.filters):
        logger.addFilter(_HubRetries())


class Task:
    """One bar, or one series of lines."""

    def __init__(
        self, label: str, total: int | None, unit: str, done: int, rich: RichProgress | None
    ) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = done
        self._rich = rich
        self._id: TaskID | None = None
        if rich is not None:
            self._id = rich.add_task(label, total=total, completed=done, unit=unit, rate="")
        self._said = time.monotonic()
        self._begun = [(done, self._said)]
        """What was done, and when: at the start, and after the first step, which loads and warms
        up what all others need, so that the rate is that of the others."""

    def advance(self, n: int = 1) -> None:
        """Advance by ``n`` units."""
        self._done += n
        now = time.monotonic()
        if len(self._begun) == 1:
            self._begun.append((self._done, now))
        if self._rich is not None and self._id is not None:
            self._rich.update(self._id, completed=self._done, rate=f"{self._rate(now):,.1f}")
        elif now - self._said >= LINE_SECONDS:
            self._said = now
            log.info("%s", self._line(now))

    def close(self) -> None:
        """Remove the bar."""
        if self._rich is not None and self._id is not None:
            self._rich.remove_task(self._id)

    def _rate(self, now: float) -> float:
        done, then = self._begun[-1] if self._done > self._begun[-1][0] else self._begun[0]
        return (self._done - done) / max(now - then, 1e-9)

    def _line(self, now: float) -> str:
        rate = self._rate(now)
        of = "" if self._total is None else f" of {self._total:,}"
        left = ""
        if self._total is not None and rate > 0:
            left = f", {duration((self._total - self._done) / rate)} left"
        return f"{self._label}: {self._done:,}{of} {self._unit}, {rate:,.1f} {self._unit}/s{left}"


class Progress:
    """Shows tasks while the context is open."""

    def __init__(self) -> None:
        self._rich: RichProgress | None = None

    def __enter__(self) -> Progress:
        from rich.console import Console

        console = Console(stderr=True)
        if console.is_terminal:
            self._rich = _bars(console)
            self._rich.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._rich is not None:
            self._rich.stop()

    def task(self, label: str, total: int | None, unit: str, done: int = 0) -> Task:
        """Return a new task of ``total`` units (None: unknown), ``done`` of them already done."""
        return Task(label, total, unit, done, self._rich)


def _bars(console: object) -> RichProgress:
    from rich import progress

    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[unit]}  {task.fields[rate]}/s"),
        progress.TimeRemainingColumn(),
        console=console,  # type: ignore[arg-type]  # typed as object to keep rich out of imports
        transient=True,
    )


def duration(seconds: float) -> str:
    """Format a duration: ``0.0123 s``, ``40 s``, ``4 min 5 s``, ``3 h 30 min``."""
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 shard``, ``1,024 rows``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
