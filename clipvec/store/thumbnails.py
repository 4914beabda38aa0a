"""Looks up thumbnails, which stay in the store."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.errors import ClipvecError
from clipvec.store.folder import Folder
from clipvec.store.tombstones import TombstoneFolder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    import pyarrow as pa

log = logging.getLogger(__name__)


def key(part: str, id: str) -> str:
    """Return what tells a row from others of its id, which another part may hold."""
    return f"{part} {id}"


def read(
    store: str, wanted: Sequence[tuple[str, int, str]], spare: int = 0
) -> dict[str, bytes | None]:
    """Return the thumbnails of rows by `key`, and some of the rows that are read along with them.

    The rows of a file come in groups, which are read whole: as much again to read for each of them.
    Those of a part that was written again since are looked for by their ids.
    None: the row has no thumbnail.

    Args:
        store: path or URL.
        wanted: part file, row in it, and id. A rewritten part may hold another row there.
        spare: bytes of thumbnails that may be kept of other rows.
    """
    places: dict[str, dict[int, str]] = defaultdict(dict)
    for part, row, id in wanted:
        places[part][row] = id
    found: dict[str, bytes | None] = {}
    missing = []
    for part, rows in places.items():
        ids = set(rows.values())
        try:
            for id, thumbnail in _groups(Folder(store), part, rows, ids):
                if id in ids:
                    found[key(part, id)] = thumbnail.as_py()
                elif spare > 0 and (beside := thumbnail.as_py()) and len(beside) <= spare:
                    found[key(part, id)] = beside
                    spare -= len(beside)
        except (OSError, ClipvecError) as error:
            missing.append(f"{part}: {error}")
    if missing:
        log.warning("no thumbnails from the store %s (%s)", store, missing[0])
    return found


def _groups(
    folder: Folder, part: str, rows: Collection[int], ids: set[str]
) -> Iterator[tuple[str, pa.BinaryScalar]]:
    """Yield ids and thumbnails of the row groups that hold some rows of a part.

    If it is gone, the rows are looked for by their ids in what has them now.
    """
    try:
        opened = folder.open(part)
    except FileNotFoundError:
        if not (others := _others(folder, part)):
            raise
        left = set(ids)
        for other in others if left else ():
            for id, thumbnail in _held(folder, other, folder.open(other), None, left):
                left.discard(id)
                yield id, thumbnail
    else:
        yield from _held(folder, part, opened, rows, ids)


def _held(
    folder: Folder, part: str, opened: Any, rows: Collection[int] | None, ids: set[str]
) -> Iterator[tuple[str, pa.BinaryScalar]]:
    """Yield what the row groups hold that have some rows, or, if these are None, some ids.

    Row groups are compared with their own checksums: the file's would take all of it. Rows of a
    damaged one are left out.
    """
    import pyarrow.parquet as pq

    with opened as file:
        parquet = pq.ParquetFile(file, page_checksum_verification=True)
        if "thumbnail" not in parquet.schema_arrow.names:
            return
        stop = 0
        for group in range(parquet.num_row_groups):
            first, stop = stop, stop + parquet.metadata.row_group(group).num_rows
            if rows is not None:
                wanted = any(first <= row < stop for row in rows)
            else:
                held = parquet.read_row_group(group, columns=["id"])["id"].to_pylist()
                wanted = not ids.isdisjoint(held)
            if not wanted:
                continue
            try:
                table = parquet.read_row_group(group, columns=["id", "thumbnail"])
            except OSError as error:
                where = f"{folder.path(part)}, rows {first} to {stop - 1}"
                log.warning("no thumbnails from %s (%s)", where, error)
                continue
            yield from zip(table["id"].to_pylist(), table["thumbnail"], strict=True)


def _others(folder: Folder, part: str) -> list[str]:
    """Return the parts that may have the rows of one that is gone."""
    shard, number = paths.shard_folder(part), paths.part_number(part) or 0
    now = TombstoneFolder(folder).read().joins.folder(shard)
    parts = [name for name in folder.names(now) if paths.part_number(name) is not None]
    if now == shard:  # one that was made of several has the number of their first
        first = max(
            (n for name in parts if (n := paths.part_number(name) or 0) <= number), default=0
        )
        parts = [name for name in parts if paths.part_number(name) == first]
    return [f"{now}/{name}" for name in parts]
