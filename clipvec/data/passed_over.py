"""Counts what a reader of files leaves out, for a one-line summary."""

from __future__ import annotations

import logging
from collections import Counter

from clipvec.data.files import to_utf8
from clipvec.errors import printable

log = logging.getLogger(__name__)


class PassedOver:
    """Counts of what was left out, by reason, with an example of each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, reason: str, name: str) -> None:
        """Count one, such as ``links to folders``."""
        self._counts[reason] += 1
        self._first.setdefault(reason, name)

    def __contains__(self, reason: str) -> bool:
        """Return whether any was left out for a reason."""
        return reason in self._counts

    def __str__(self) -> str:
        """Return the counts as a list in words, or an empty string."""
        return ", ".join(
            f"{reason} ({count:,}, such as {printable(to_utf8(self._first[reason]))})"
            for reason, count in self._counts.items()
        )

    def report(self, where: str) -> None:
        """Log one line if something was left out."""
        if self._counts:
            log.info("%s: passed over %s", where, self)
