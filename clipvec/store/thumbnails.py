"""Looks up thumbnails, which stay in the store."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING

from clipvec.errors import ClipvecError
from clipvec.store.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)


def read(store: str, wanted: Sequence[tuple[str, int, str]]) -> list[bytes | None]:
    """Return the thumbnails of rows, None for missing ones.

    Args:
        store: path or URL.
        wanted: part file, row in it, and id of each row.
    """
    places: dict[str, dict[int, int]] = defaultdict(dict)
    for position, (part, row, _) in enumerate(wanted):
        places[part][row] = position
    thumbnails: list[bytes | None] = [None] * len(wanted)
    missing = []
    for part, rows in places.items():
        try:
            for row, (id, thumbnail) in _rows(Folder(store), part, set(rows)).items():
                # a rewritten part may hold another image there
                if id == wanted[rows[row]][2]:
                    thumbnails[rows[row]] = thumbnail
        except (OSError, ClipvecError) as error:
            missing.append(f"{part}: {error}")
    if missing:
        log.warning("no thumbnails from the store %s (%s)", store, missing[0])
    return thumbnails


def _rows(folder: Folder, part: str, rows: set[int]) -> dict[int, tuple[str, bytes | None]]:
    """Return id and thumbnail of some rows of a part, reading only their row groups.

    These are compared with their own checksums: the file's would take all of it. Rows of a damaged
    one are left out.
    """
    import pyarrow.parquet as pq

    rows_read: dict[int, tuple[str, bytes | None]] = {}
    with folder.open(part) as file:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        if "thumbnail" not in parquet.schema_arrow.names:
            return {}
        stop = 0
        for group in range(parquet.num_row_groups):
            first, stop = stop, stop + parquet.metadata.row_group(group).num_rows
            here = [row for row in rows if first <= row < stop]
            if not here:
                continue
            try:
                table = parquet.read_row_group(group, columns=["id", "thumbnail"])
            except OSError as error:
                where = f"{folder.path(part)}, rows {first} to {stop - 1}"
                log.warning("no thumbnails from %s (%s)", where, error)
                continue
            for row in here:
                at = row - first
                rows_read[row] = (table["id"][at].as_py(), table["thumbnail"][at].as_py())
    return rows_read
