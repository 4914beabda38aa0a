"""Files of a report's folder."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Make a folder; what goes wrong with it is one line.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise ConfigError(
            f"the report cannot be written to {folder}: {error.strerror}; choose another folder"
        ) from error


def write_text(file: Path, text: str) -> None:
    """Write a text as UTF-8."""
    # A name from JSON may hold half a surrogate pair, which no file can.
    file.write_bytes(text.encode("utf-8", "replace"))


def write_json(file: Path, values: Mapping[str, Any]) -> None:
    """Write plain values as JSON."""
    write_text(file, json.dumps(values, indent=1, allow_nan=False) + "\n")
