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
    missing, gone = list[str](), dict[str, set[str]]()
    for part, rows in places.items():
        ids = set(rows.values())
        try:
            folder = Folder(store)
            for id, thumbnail in _held(folder, part, folder.open(part), rows, ids):
                if id in ids:
                    found[key(part, id)] = thumbnail.as_py()
                elif spare > 0 and (beside := thumbnail.as_py()) and len(beside) <= spare:
                    found[key(part, id)] = beside
                    spare -= len(beside)
        except FileNotFoundError:
            gone[part] = ids
        except (OSError, ClipvecError) as error:
            missing.append(f"{part}: {error}")
    try:
        found |= _moved(Folder(store), gone, missing) if gone else {}
    except (OSError, ClipvecError) as error:
        missing.append(str(error))
    if missing:
        log.warning("no thumbnails from the store %s (%s)", store, missing[0])
    return found


def _moved(
    folder: Folder, gone: dict[str, set[str]], missing: list[str]
) -> dict[str, bytes | None]:
    """Return thumbnails of rows of parts that are gone, by `key`, from what has them now.

    Args:
        folder: of the store.
        gone: ids by part; those that are found are taken out.
        missing: takes the parts in whose place there is none.
    """
    joins = TombstoneFolder(folder).read().joins
    shards: dict[str, list[str]] = defaultdict(list)
    for part in gone:
        shards[joins.folder(paths.shard_folder(part))].append(part)
    found: dict[str, bytes | None] = {}
    for shard, parts in shards.items():
        there = [name for name in folder.names(shard) if paths.part_number(name) is not None]
        wanted: dict[str, list[str]] = defaultdict(list)
        for part in parts:
            for other in (others := _others(shard, there, part)):
                wanted[other].append(part)
            missing += [] if others else [f"{part} is missing"]
        for other, mine in wanted.items():
            ids = {id for part in mine for id in gone[part]}
            for id, thumbnail in _held(folder, other, folder.open(other), None, ids) if ids else ():
                for part in mine:
                    if id in gone[part]:
                        found[key(part, id)] = thumbnail.as_py()
                        gone[part].discard(id)
    return found


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


def _others(shard: str, there: Sequence[str], part: str) -> list[str]:
    """Return the parts of a shard that may have the rows of one that is gone."""
    if shard == paths.shard_folder(part):  # one that was made of several has their first's number
        number = paths.part_number(part) or 0
        numbers = (paths.part_number(name) or 0 for name in there)
        first = max((each for each in numbers if each <= number), default=0)
        there = [name for name in there if paths.part_number(name) == first]
    return [f"{shard}/{name}" for name in there]
