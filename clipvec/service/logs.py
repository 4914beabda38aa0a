"""A filter for the request log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging


def one_line(record: logging.LogRecord) -> bool:
    """Escape what is not printable in a record's arguments: a path could forge other lines.

    A filter of `logging`; it lets every record through.
    """
    if isinstance(record.args, tuple):
        record.args = tuple(_escaped(x) if isinstance(x, str) else x for x in record.args)
    return True


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
