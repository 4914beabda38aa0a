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


def read(store: str, wanted: Sequence[tuple[str, int]]) -> dict[str, bytes | None]:
    """Return the thumbnails of rows by id, and those of the rows that are read along with them.

    The rows of a file come in groups, which are read whole: as much again to read for each of them.
    None: the row has no thumbnail.

    Args:
        store: path or URL.
        wanted: part file and row in it. A rewritten part may hold another image there.
    """
    places: dict[str, set[int]] = defaultdict(set)
    for part, row in wanted:
        places[part].add(row)
    found: dict[str, bytes | None] = {}
    missing = []
    for part, rows in places.items():
        try:
            found |= _groups(Folder(store), part, rows)
        except (OSError, ClipvecError) as error:
            missing.append(f"{part}: {error}")
    if missing:
        log.warning("no thumbnails from the store %s (%s)", store, missing[0])
    return found


def _groups(folder: Folder, part: str, rows: set[int]) -> dict[str, bytes | None]:
    """Return the thumbnails of the row groups that hold some rows of a part.

    These are compared with their own checksums: the file's would take all of it. Rows of a damaged
    one are left out.
    """
    import pyarrow.parquet as pq

    found: dict[str, bytes | None] = {}
    with folder.open(part) as file:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        if "thumbnail" not in parquet.schema_arrow.names:
            return {}
        stop = 0
        for group in range(parquet.num_row_groups):
            first, stop = stop, stop + parquet.metadata.row_group(group).num_rows
            if not any(first <= row < stop for row in rows):
                continue
            try:
                table = parquet.read_row_group(group, columns=["id", "thumbnail"])
            except OSError as error:
                where = f"{folder.path(part)}, rows {first} to {stop - 1}"
                log.warning("no thumbnails from %s (%s)", where, error)
                continue
            found |= zip(table["id"].to_pylist(), table["thumbnail"].to_pylist(), strict=True)
    return found
