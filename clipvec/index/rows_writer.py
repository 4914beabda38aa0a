"""What writes the table of the rows of an index, see `clipvec.index.rows`, and takes it away."""

from __future__ import annotations

import contextlib
import functools
import itertools
from typing import TYPE_CHECKING

import numpy as np

from clipvec.errors import CollectionError
from clipvec.files import size_and_sha256, to_json, write_atomically
from clipvec.index.base import PART
from clipvec.index.buckets import Buckets
from clipvec.index.columns import Columns
from clipvec.index.load import batches
from clipvec.index.rows import (
    BATCH,
    DAMAGED,
    FEW,
    HASH,
    HASH_ROW,
    NORM,
    SCHEMA,
    RowsTable,
    fault,
    id_hash,
    read_mark,
)
from clipvec.paths import RowsPaths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    import pyarrow as pa

    from clipvec.store import LivePart, Store

    _Known = dict[tuple[str, ...], Callable[[], tuple[np.ndarray, pa.Table]]]
    """What gives the rows of parts, by `_key`."""

_HASHED = np.dtype([(HASH, "<u8"), (HASH_ROW, "<i8")])


def retire(folder: Path) -> None:
    """Let no index be opened with a table that it is about to leave behind.

    Raises:
        CollectionError: its files cannot be changed.
    """
    files = RowsPaths(folder)
    with _errors(folder), contextlib.suppress(FileNotFoundError):
        files.mark.replace(files.stale)


def write(
    folder: Path, store: Store, parts: Sequence[LivePart], before: Path | None = None
) -> None:
    """Write the table of an index that holds ``parts``, unless it is there.

    Parts that a table has which was there before are copied from it: the store may be far away.

    Args:
        folder: of the index.
        store: of the parts.
        parts: in the order of the rows.
        before: another folder in which the table was before; None: it was in this one.

    Raises:
        CollectionError: it cannot be written.
        StoreError: a part cannot be read.
    """
    files = RowsPaths(folder)
    wanted = [[*_key(part), part.rows] for part in parts]
    with contextlib.suppress(*DAMAGED):
        if read_mark(files.mark)["parts"] == wanted:
            return
    with _errors(folder):
        if not any(part.rows for part in parts):
            for file in (files.mark, files.stale, *files.both):
                file.unlink(missing_ok=True)
            return
        folder.mkdir(parents=True, exist_ok=True)
        try:
            known = _known(RowsPaths(before or folder))
            with Columns(files.work) as columns:
                with files.new(files.vectors).open("wb") as stream:
                    _write_vectors(stream, columns, files.sorting, store, parts, known)
                columns.write(files.new(files.columns))
            for file in (files.mark, files.stale):
                file.unlink(missing_ok=True)
            for file in files.both:
                files.new(file).replace(file)
            about = {file.name: size_and_sha256(file) for file in files.both}
            held = {"parts": wanted, "files": about}
            write_atomically(files.mark, to_json(held, SCHEMA, sealed=True))
        finally:
            for file in files.both:
                files.new(file).unlink(missing_ok=True)


def _known(files: RowsPaths) -> _Known:
    """Return what gives the rows of each part that a table has which was there before."""
    mark = files.stale if files.stale.is_file() else files.mark
    if not mark.is_file() or fault(mark):
        return {}
    found: _Known = {}
    start, table = 0, RowsTable.open(files)
    for *about, rows in read_mark(mark)["parts"]:
        found[*about] = functools.partial(table.piece, start, start + rows)
        start += rows
    return found


def _write_vectors(
    stream: BinaryIO,
    columns: Columns,
    sorting: Path,
    store: Store,
    parts: Sequence[LivePart],
    known: _Known,
) -> None:
    """Write the vectors of ``parts`` in NumPy's format, and all else to ``columns``."""
    import pyarrow as pa

    shape = sum(part.rows for part in parts), store.fingerprint.model.dim
    # NumPy takes 1.6 ns to read a half precision number, which an exact search cannot afford.
    dtype = np.dtype(np.float32 if shape[0] * shape[1] <= FEW else store.fingerprint.dtype)
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    with Buckets(sorting, _HASHED, shape[0], 2**64) as hashed:
        start = 0
        for are_known, some in itertools.groupby(parts, lambda part: _key(part) in known):
            copies = (known[_key(part)]() for part in some) if are_known else None
            for vectors, table in copies or batches(store, list(some), BATCH):
                stream.write(np.ascontiguousarray(vectors, dtype).data)
                norms = np.linalg.norm(vectors.astype(np.float32), axis=1)
                typed = table.cast(_schema(table.schema)).append_column(NORM, pa.array(norms))
                columns.add(typed)
                rows = np.empty(len(table), _HASHED)
                rows[HASH] = [id_hash(id) for id in table["id"].to_pylist()]
                rows[HASH_ROW] = np.arange(start, start + len(table))
                hashed.add(rows[HASH], rows)
                start += len(table)
        for _, rows in hashed:
            found = rows[np.argsort(rows[HASH], kind="stable")]
            columns.add(pa.table({name: pa.array(found[name]) for name in (HASH, HASH_ROW)}))


def _key(part: LivePart) -> tuple[str, str, str]:
    """Return what tells a part, and what is deleted of it, from others."""
    return part.file, part.sha256, part.deletions


def _schema(given: pa.Schema) -> pa.Schema:
    """Return the types of the table's columns from those of the store's."""
    import pyarrow as pa

    wide = {
        field.name: pa.large_string()
        for field in given
        if field.type == pa.string() or pa.types.is_dictionary(field.type)
    }
    # the name of a part file is that of thousands of rows
    wide[PART] = pa.dictionary(pa.int32(), pa.string())
    return pa.schema({field.name: wide.get(field.name, field.type) for field in given})


@contextlib.contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CollectionError(
            f"{folder}: its rows cannot be written ({error}); free space, or make it writable, and "
            "run the same command again"
        ) from error
