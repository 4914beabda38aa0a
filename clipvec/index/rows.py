"""The rows of an index as two mapped files in its folder: Arrow columns, and vectors.

A cache of the store like the index itself, in the order of its parts. It filters, finds rows by id,
and compares every vector, without what a database takes for it; the files take no memory that the
system cannot have back. `clipvec.index.rows_writer` takes it away before an index changes, and
writes it when the index is verified: what is there is complete, and of the index beside it.
`table_fault` compares its checksums.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.errors import CollectionError, SchemaError
from clipvec.files import from_json, read_regular, size_and_sha256
from clipvec.index import filters
from clipvec.index.base import Hit, is_missing
from clipvec.paths import RowsPaths

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

FEW = 2**25
"""Numbers of vectors that are compared one by one: 52,000 rows x 640 take a core 12 ms."""
HASH, HASH_ROW, NORM = "_hash", "_hash_row", "_norm"
"""Columns: hashes of the ids, ascending, and the row of each; and the lengths of the vectors."""
_OWN = frozenset({HASH, HASH_ROW, NORM})
SCHEMA = 3
BATCH = 4096
"""Rows that are read or written at once."""
_SCORED = 2**16
"""Rows of which the cosines are held at once, 256 kB for each query."""
DAMAGED = (SchemaError, OSError, KeyError, IndexError, TypeError, ValueError)
"""What reading a damaged table raises, beside Arrow's own."""
log = logging.getLogger(__name__)


class RowsTable:
    """The rows of an index, opened; a row is its position in the table."""

    def __init__(self, columns: Mapping[str, pa.Array], vectors: np.ndarray) -> None:
        self._columns = columns
        self._vectors = vectors
        """float32 or float16 [N, D], of about unit length."""
        self._norms = columns[NORM].to_numpy()
        self._hashes, self._hash_rows = columns[HASH].to_numpy(), columns[HASH_ROW].to_numpy()

    @classmethod
    def find(cls, folder: Path) -> RowsTable | None:
        """Return the table in the folder of an index; None: there is none, or it is damaged."""
        files = RowsPaths(folder)
        if not files.mark.is_file():
            return None
        try:
            return cls.checked(folder, _mend(files))
        except CollectionError as error:
            log.warning("%s; answers come without it", error)
            return None

    @classmethod
    def checked(cls, folder: Path, mend: str) -> RowsTable:
        """Return the table in the folder of an index, once its columns are as they were written.

        Of the vectors only the size is compared, since that would take as long as to search them.

        Raises:
            CollectionError: a file is gone or damaged; with the ``mend``.
        """
        import pyarrow as pa

        files = RowsPaths(folder)
        try:
            if (found := fault(files.mark, whole=False)) is None:
                return cls.open(files)
        except (pa.ArrowException, *DAMAGED) as error:
            found = str(error)
        raise CollectionError(_damaged(files, found, mend))

    @classmethod
    def open(cls, files: RowsPaths) -> RowsTable:
        """Return the table of files that are known to be right."""
        import pyarrow as pa

        table = pa.ipc.open_file(pa.memory_map(str(files.columns))).read_all()
        columns = {name: table[name].chunk(0) for name in table.column_names}
        return cls(columns, np.load(files.vectors, mmap_mode="r"))

    @classmethod
    def empty(cls, dim: int) -> RowsTable:
        """Return a table of no rows, whose vectors would have ``dim`` numbers."""
        import pyarrow as pa

        columns = {"id": pa.array([], pa.large_string()), NORM: pa.array([], pa.float32())}
        columns |= {name: pa.array([], pa.uint64()) for name in (HASH, HASH_ROW)}
        return cls(columns, np.empty((0, dim), np.float32))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._norms)

    def columns(self, names: Sequence[str]) -> dict[str, pa.Array]:
        """Return columns by their names, N values each; none where there are no rows."""
        return {name: self._columns[name] for name in names} if len(self) else {}

    def admitted(self, where: filters.Filter) -> np.ndarray:
        """Return the rows that a filter admits, ascending, int64 [M]."""
        if not len(self):  # an empty table has no columns of attributes
            return np.empty(0, np.int64)
        return np.flatnonzero(filters.mask(where, self._columns))

    def nearest(
        self, vectors: np.ndarray, k: int, among: np.ndarray | None = None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the rows closest to each vector and their cosines, best first, by comparing all.

        Args:
            vectors: float32 [Q, D], none of them zero.
            k: rows of each, at most.
            among: the rows to choose from, int64 [M]; None: all.
        """
        queries = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        count, width = len(self) if among is None else len(among), max(_SCORED, k)
        best = [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(queries)
        for start in range(0, count, width):
            scores = self._scores(queries, start, min(start + width, count), among)
            for i, row in enumerate(scores):
                at = _best(row, k)
                rows = np.concatenate([best[i][0], at + start])
                held = np.concatenate([best[i][1], row[at]])
                chosen = _best(held, k)
                best[i] = rows[chosen], held[chosen]
        return [(at if among is None else among[at], scores) for at, scores in best]

    def _scores(
        self, queries: np.ndarray, start: int, stop: int, among: np.ndarray | None
    ) -> np.ndarray:
        """Return cosines of those of the rows to choose from, float32 [Q, ``stop - start``]."""
        scores = np.empty((len(queries), stop - start), np.float32)
        for first in range(start, stop, BATCH):
            last = min(first + BATCH, stop)
            rows = slice(first, last) if among is None else among[first:last]
            block = np.asarray(self._vectors[rows], np.float32)
            scores[:, first - start : last - start] = queries @ block.T / self._norms[rows]
        return scores

    def hits(self, rows: np.ndarray, scores: np.ndarray) -> list[Hit]:
        """Return rows, int64 [M], as hits with these scores, float [M]."""
        import pyarrow as pa

        wanted = pa.array(rows)
        shown = {
            name: column.take(wanted).to_pylist()
            for name, column in self._columns.items()
            if name not in _OWN
        }
        return [
            Hit.of({name: v[i] for name, v in shown.items() if not is_missing(v[i])}, score)
            for i, score in enumerate(scores.tolist())
        ]

    def find_ids(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the rows with these ids, as far as they exist."""
        wanted = np.array([id_hash(id) for id in ids], np.uint64)
        first = np.searchsorted(self._hashes, wanted, "left")
        last = np.searchsorted(self._hashes, wanted, "right")
        names = self._columns["id"]
        return {
            id: int(row)
            for id, start, stop in zip(ids, first, last, strict=True)
            for row in self._hash_rows[start:stop]
            if names[row].as_py() == id
        }

    def ids(self, rows: np.ndarray) -> list[str]:
        """Return the ids of rows, int64 [M]."""
        import pyarrow as pa

        return [str(id) for id in self._columns["id"].take(pa.array(rows)).to_pylist()]

    def has_ids(self, rows: slice, ids: Sequence[str]) -> np.ndarray:
        """Return which of some rows have one of ``ids``, bool [M]."""
        import pyarrow as pa
        import pyarrow.compute as pc

        held = self._columns["id"].slice(rows.start, rows.stop - rows.start)
        return np.asarray(pc.is_in(held, pa.array(ids, held.type)).to_numpy(zero_copy_only=False))

    def double(self) -> tuple[int, int] | None:
        """Return two rows of one id; None: there are none."""
        ids = self._columns["id"]
        for at in np.flatnonzero(self._hashes[1:] == self._hashes[:-1]):
            one, other = sorted(int(row) for row in self._hash_rows[at : at + 2])
            if ids[one] == ids[other]:
                return one, other
        return None

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Return the vectors of rows, as the store has them, float32 [M, D]."""
        return np.asarray(self._vectors[rows], np.float32)

    def piece(self, start: int, stop: int) -> tuple[np.ndarray, pa.Table]:
        """Return the vectors of some rows, [M, D] as they lie, and all else that the store has."""
        import pyarrow as pa

        given = {name: c for name, c in self._columns.items() if name not in _OWN}
        return self._vectors[start:stop], pa.table(given).slice(start, stop - start)


def table_fault(folder: Path, mend: str | None = None) -> str | None:
    """Return what is wrong with a table, by reading all of it, and the ``mend``; None: its own."""
    files = RowsPaths(folder)
    found = fault(files.mark) if files.mark.is_file() else None
    return found and _damaged(files, found, mend or _mend(files))


def fault(mark: Path, *, whole: bool = True) -> str | None:
    """Return how the files of a table differ from what was written; ``whole``: the vectors too."""
    columns = RowsPaths(mark.parent).columns
    try:
        for name, known in read_mark(mark)["files"].items():
            file = mark.parent / name
            compared = whole or file == columns
            held = size_and_sha256(file) if compared else [file.stat().st_size, known[1]]
            if held != known:
                return f"{name} changed after clipvec index wrote it"
    except DAMAGED as error:
        return str(error)
    return None


def read_mark(mark: Path) -> dict[str, Any]:
    """Return the parts that a table holds, and size and checksum of its files."""
    mend = _mend(RowsPaths(mark.parent))
    return from_json(read_regular(mark), SCHEMA, mark, mend, sealed=True)


def _mend(files: RowsPaths) -> str:
    return f"remove {files.mark} and run clipvec index, which writes it anew"


def _damaged(files: RowsPaths, why: str, mend: str) -> str:
    return f"the table of rows in {files.mark.parent} is damaged ({why}); {mend}"


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the positions of the ``k`` highest scores, best first, equal ones in their order."""
    if k < len(scores):
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        candidates = np.flatnonzero(scores >= least)
    else:
        candidates = np.arange(len(scores))
    return candidates[np.argsort(-scores[candidates], kind="stable")][:k]


def id_hash(id: str) -> int:
    """Return a 64-bit hash of an id, the same in every process."""
    return int.from_bytes(hashlib.blake2b(id.encode(), digest_size=8).digest(), "little")
