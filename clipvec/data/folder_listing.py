"""The images of a folder as a listing that a store can keep, and back."""

from __future__ import annotations

import json
import os
from posixpath import splitext
from typing import TYPE_CHECKING

from clipvec.config import READERS
from clipvec.data.formats import suffix_of
from clipvec.data.listing import ListedSource
from clipvec.data.manifest import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from clipvec.data.listing import Listing

_NO_FILE = "\0"
"""Before the number of a manifest's row that names no file; no file is called so."""


def sources(
    rows: Iterable[tuple[Row, Sequence[str]]],
    columns: Sequence[str],
    state: Callable[[str], tuple[int | None, str | None]],
) -> Iterator[ListedSource]:
    """Yield the source of each row.

    Args:
        rows: each with the texts beside its image.
        columns: of a manifest, whose values the rows have.
        state: returns the size and the version of a file.
    """
    packages = {
        ending: reader.package
        for reader in READERS
        if reader.installed
        for ending in reader.suffixes
    }
    for row, notes in rows:
        size, version = state(row.file) if row.file else (None, None)
        detail: dict[str, object] = {}
        if package := packages.get(suffix_of(row.file)):
            detail["reader"] = package  # without which it was rejected
        if notes:
            detail["notes"] = [[splitext(note)[1], *state(note)] for note in notes]
        if row.values:
            detail["values"] = dict(zip(columns, row.values, strict=True))
        if row.fault:
            detail["fault"] = row.fault
        yield ListedSource(
            row.file or f"{_NO_FILE}{row.number}",
            size,
            version,
            json.dumps(detail) if detail else None,
        )


def rows(listing: Listing, columns: Sequence[str]) -> tuple[list[Row], frozenset[str]]:
    """Return the rows of a listing, and the texts beside their images."""
    rows, notes = [], []
    for name, written in zip(listing.names(), listing.column("detail"), strict=True):
        detail = json.loads(written or "{}")
        if name.startswith(_NO_FILE):
            number = int(name.removeprefix(_NO_FILE))
            rows.append(Row("", (), detail.get("fault", ""), number))
            continue
        values = detail.get("values")
        rows.append(Row(name, tuple(map(values.get, columns)) if values else ()))
        notes += [splitext(name)[0] + suffix for suffix, *_ in detail.get("notes", ())]
    return rows, frozenset(notes)


def on_disk(path: str) -> tuple[int | None, str | None]:
    """Return the size of a local file and the time of its last change; None if it is not there.

    Raises:
        OSError: that is not known, as in a folder that may not be entered.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 # a Path takes longer than the call
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    return status.st_size, str(status.st_mtime_ns)
