"""The files of a database: Chroma answers from what is left of a damaged graph, and wrongly."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import struct
from typing import TYPE_CHECKING

from clipvec.errors import CollectionError
from clipvec.paths import CHROMA_DATABASE, RowsPaths

if TYPE_CHECKING:
    from pathlib import Path

REBUILD_IT = "build it again with clipvec index --rebuild and the same options"
_GRAPH = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Name of the folder of a graph."""
_WRITTEN = """SELECT segments.id FROM segments JOIN max_seq_id ON segment_id = segments.id
WHERE scope = 'VECTOR'"""
"""Graphs that Chroma 1.5 has written to disk, of whose rows it keeps no other copy."""


def is_chromas(folder: Path) -> bool:
    """Return whether all that is in a folder is what an index of ours leaves, be it damaged."""
    files = RowsPaths(folder)
    rows = {files.mark, files.stale, *files.both, *map(files.new, files.both)}
    entries = [path for path in folder.iterdir() if path not in rows]
    graphs = [path.is_dir() and _GRAPH.fullmatch(path.name) for path in entries]
    return (folder / CHROMA_DATABASE).is_file() or (bool(entries) and all(graphs))


def check_graphs(folder: Path) -> None:
    """Refuse graphs that are gone or cut.

    Args:
        folder: of a database.

    Raises:
        CollectionError: a graph has fewer files, or bytes, than were written.
    """
    for id in _written(folder):
        header, rows = folder / id / "header.bin", folder / id / "data_level0.bin"
        try:
            # of Chroma's hnswlib 0.8: version, offset, room, elements, bytes of each
            *_, count, size = struct.unpack_from("<iQQQQ", header.read_bytes())
            seen = rows.stat().st_size
        except (OSError, struct.error) as error:
            raise CollectionError(f"{header.parent} is damaged ({error}); {REBUILD_IT}") from error
        if seen < count * size:
            raise CollectionError(
                f"{rows} has {seen:,} bytes, its header says {count * size:,}: the graph is "
                f"damaged, unless it is being written just now; {REBUILD_IT}"
            )


def _written(folder: Path) -> list[str]:
    """Return the folders of graphs that there should be; none if Chroma cannot tell either."""
    uri = f"{(folder / CHROMA_DATABASE).absolute().as_uri()}?mode=ro"
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(uri, uri=True)) as database,
    ):
        return [str(id) for (id,) in database.execute(_WRITTEN)]
    return []
