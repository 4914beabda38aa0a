"""The files of a database: Chroma answers from what is left of a damaged graph, and wrongly.

Of some damage its HNSW library crashes. So ``clipvec index`` leaves checksums of the graphs, which
only what writes rows changes, and they are compared before Chroma reads a graph.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
import struct
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.errors import CollectionError
from clipvec.files import (
    from_json,
    open_regular,
    read_regular,
    size_and_sha256,
    to_json,
    write_atomically,
)
from clipvec.paths import CHROMA_DATABASE, CHROMA_SEAL, RowsPaths

if TYPE_CHECKING:
    from pathlib import Path

REBUILD_IT = "build it again with clipvec index --rebuild and the same options"
_SCHEMA = 1
_HEADER = "header.bin"
_ROWS = "data_level0.bin"
"""Of each row its links, its vector and its number."""
_IDS = "index_metadata.pickle"
_NO_IDS = b"id_to_label}X"
"""Begins `_IDS` where the last row was deleted: Chroma makes such a graph anew at each loading."""
_OTHERS = (_HEADER, "length.bin", "link_lists.bin", _IDS)
_BATCH = 256
"""Rows that are read at once: few enough to stay in a processor's cache."""
_GRAPH = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""Name of the folder of a graph."""
_WRITTEN = """SELECT segments.id FROM segments JOIN max_seq_id ON segment_id = segments.id
WHERE scope = 'VECTOR'"""
"""Graphs that Chroma 1.5 has written to disk, of whose rows it keeps no other copy."""


def is_chromas(folder: Path) -> bool:
    """Return whether all that is in a folder is what an index of ours leaves, be it damaged."""
    files = RowsPaths(folder)
    rows = {files.mark, files.stale, *files.both, *map(files.new, files.both)}
    database = folder / CHROMA_DATABASE
    entries = [path for path in folder.iterdir() if path not in {*rows, folder / CHROMA_SEAL}]
    # whatever has taken the place of the database is not a file that Chroma made
    ours = [
        path == database or (not path.is_file() and _GRAPH.fullmatch(path.name)) for path in entries
    ]
    return database.is_file() or (bool(entries) and all(ours))


@dataclass(frozen=True)
class _Sealed:
    """The files of a graph, as they were written."""

    files: dict[str, list[Any]]
    """Size in bytes and SHA-256 of each."""
    links: str
    """SHA-256 of all of the rows but their vectors."""

    @classmethod
    def of(cls, graph: Path) -> _Sealed:
        """Return what seals a graph."""
        files = {name: size_and_sha256(graph / name) for name in (*_OTHERS, _ROWS)}
        return cls(files, _links(graph))

    def check(self, graph: Path, whole: bool) -> None:
        """Compare the files of a graph; the vectors only if ``whole``, as that takes long."""
        try:
            changed = [n for n in _OTHERS if size_and_sha256(graph / n) != self.files[n]]
            if not changed and not self._has_rows(graph, whole):
                changed = [_ROWS]
        except (OSError, KeyError, ValueError, struct.error) as error:
            raise CollectionError(f"{graph} is damaged ({error}); {REBUILD_IT}") from error
        if changed:
            raise CollectionError(
                f"{graph / changed[0]} is not what clipvec index wrote, or was cut off: the graph "
                f"is damaged; {REBUILD_IT}"
            )

    def _has_rows(self, graph: Path, whole: bool) -> bool:
        """Return whether the rows are as they were, the header being so."""
        file, known = graph / _ROWS, self.files[_ROWS]
        if whole:
            return size_and_sha256(file) == known
        return file.stat().st_size == known[0] and _links(graph) == self.links


def check_graphs(folder: Path, *, whole: bool = False) -> None:
    """Refuse graphs that are gone, cut or changed.

    Args:
        folder: of a database.
        whole: whether each vector is compared too.

    Raises:
        CollectionError: a graph is not what was written.
        SchemaError: another version of clipvec wrote the checksums.
    """
    sealed = _read_seal(folder)
    try:
        for id, known in sealed.items():
            known.check(folder / id, whole)
        for id in {*_written(folder)} - {*sealed}:
            _check_size(folder / id)
    except CollectionError:
        if _read_seal(folder) == sealed:
            raise
        check_graphs(folder, whole=whole)  # the index changed meanwhile


def seal(folder: Path) -> None:
    """Write the checksums of graphs that nobody is writing, unless they are there.

    Raises:
        OSError: they cannot be read or written.
    """
    file = folder / CHROMA_SEAL
    if not file.is_file():
        kept = [id for id in _written(folder) if _has_ids(folder / id)]
        graphs = {id: asdict(_Sealed.of(folder / id)) for id in kept}
        write_atomically(file, to_json({"graphs": graphs}, _SCHEMA, sealed=True))


def unseal(folder: Path) -> None:
    """Let no graph be compared with checksums that it is about to leave behind.

    Raises:
        OSError: they cannot be removed.
    """
    (folder / CHROMA_SEAL).unlink(missing_ok=True)


def _read_seal(folder: Path) -> dict[str, _Sealed]:
    """Return the checksums of graphs; none while they change, or if that was interrupted."""
    file = folder / CHROMA_SEAL
    try:
        values = from_json(read_regular(file), _SCHEMA, file, REBUILD_IT, sealed=True)
        return {id: _Sealed(**known) for id, known in values["graphs"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CollectionError(f"{file} is damaged ({error}); {REBUILD_IT}") from error


def _has_ids(graph: Path) -> bool:
    """Return whether Chroma will load a graph as it is."""
    with open_regular(graph / _IDS) as stream:
        return _NO_IDS not in stream.read(128)


def _links(graph: Path) -> str:
    """Return the SHA-256 of all of a graph's rows but the vectors."""
    *_, size, number, vector = _read_header(graph)
    digest, buffer = hashlib.sha256(), np.empty((_BATCH, size), np.uint8)
    with open_regular(graph / _ROWS) as stream:
        while count := stream.readinto(buffer.data):
            rows = buffer[: count // size]
            digest.update(np.concatenate([rows[:, :vector], rows[:, number:]], axis=1).data)
    return digest.hexdigest()


def _read_header(graph: Path) -> tuple[int, int, int, int]:
    """Return the number of rows of a graph, and of each the bytes, and where number and vector are.

    Raises:
        OSError: it cannot be read.
        struct.error: it is cut off.
    """
    # of Chroma's hnswlib 0.8: version, offset, room, rows, bytes of each, number, vector
    header = read_regular(graph / _HEADER)
    *_, count, size, number, vector = struct.unpack_from("<iQQQQQQ", header)
    return count, size, number, vector


def _check_size(graph: Path) -> None:
    """Refuse a graph without checksums that has fewer files, or bytes, than were written."""
    rows = graph / _ROWS
    try:
        count, size, *_ = _read_header(graph)
        seen = rows.stat().st_size
    except (OSError, struct.error) as error:
        raise CollectionError(f"{graph} is damaged ({error}); {REBUILD_IT}") from error
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
