"""The rows of a store by number: the order of its shards, parts and rows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from clipvec import files
from clipvec.store.schema import EMBEDDING, matrix
from clipvec.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from clipvec.store.live import LivePart

CHUNK_ROWS = 16_384
"""Rows added to an index at once: enough to occupy its threads, 32 MB at D = 512."""


class Rows:
    """The rows of all committed parts that are not deleted, read as a stream."""

    def __init__(self, store: Store, parts: Sequence[LivePart]) -> None:
        self.store, self.parts = store, list(parts)
        self._starts = np.cumsum([0, *(part.rows for part in self.parts)])

    @classmethod
    def open(cls, url: str) -> Rows:
        """Return the rows of the store at ``url``."""
        store = Store.open(url)
        return cls(store, store.parts())

    @property
    def dim(self) -> int:
        """Length of the vectors, D."""
        return self.store.fingerprint.model.dim

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def digest(self) -> str:
        """What tells these rows from others: their numbers mean the same where it is the same."""
        return files.digest([(part.file, part.sha256, part.deletions) for part in self.parts])

    def pieces(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield the number of the first row of a piece, and its columns."""
        for start, _, piece in self.placed(columns):
            yield start, piece

    def placed(self, columns: Sequence[str]) -> Iterator[tuple[int, np.ndarray, pa.RecordBatch]]:
        """Yield what `pieces` yields, with the rows' positions in their part file, int64 [N]."""
        start = 0
        for part in self.parts:
            for positions, piece in self.store.numbered(part, columns):
                yield start, positions, piece
                start += len(piece)

    def chunks(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the number of the first row of a chunk, and its vectors, float32 [N, D]."""
        held: list[np.ndarray] = []
        first = rows = 0
        for start, piece in self.pieces([EMBEDDING]):
            if rows + len(piece) > CHUNK_ROWS and held:
                yield first, np.concatenate(held)
                held, first, rows = [], start, 0
            held.append(matrix(piece))
            rows += len(piece)
        if held:
            yield first, np.concatenate(held)

    def sample(self, count: int, seed: int) -> np.ndarray:
        """Return the vectors of at most ``count`` rows drawn at random, float32 [N, D]."""
        rng = np.random.default_rng(seed)
        # Without shuffling, numpy draws a few of very many without listing them all.
        drawn = rng.choice(len(self), min(count, len(self)), replace=False, shuffle=False)
        return self.vectors(np.sort(drawn))

    def vectors(self, numbers: np.ndarray) -> np.ndarray:
        """Return the vectors of ascending row ``numbers``, reading only the parts that hold them.

        Returns:
            float32 [N, D].
        """
        vectors = np.empty((len(numbers), self.dim), np.float32)
        for i, part in enumerate(self.parts):
            first, stop = np.searchsorted(numbers, self._starts[i : i + 2])
            if first == stop:
                continue
            start = self._starts[i]
            for piece in self.store.read(part, [EMBEDDING]):
                a, b = np.searchsorted(numbers, [start, start + len(piece)])
                if a < b:
                    vectors[a:b] = matrix(piece)[numbers[a:b] - start]
                start += len(piece)
        return vectors

    def ids(self, numbers: np.ndarray) -> np.ndarray:
        """Return the ids of row ``numbers`` in any order, str [N]; "" for negative numbers."""
        wanted = np.unique(numbers[numbers >= 0])
        known: list[str] = []
        for start, piece in self.pieces(["id"]):
            a, b = np.searchsorted(wanted, [start, start + len(piece)])
            if a < b:
                known += piece["id"].take(wanted[a:b] - start).to_pylist()
        names = np.array([*known, ""], dtype=np.str_)
        at = np.searchsorted(wanted, numbers)
        return names[np.where(numbers >= 0, at, len(wanted))]


class Numbers:
    """Row numbers by id, in 16 bytes per row however long the ids are.

    Ids are represented by 64-bit hashes: of stores with ten million ids, one in 400,000 has a
    collision.
    """

    def __init__(self, rows: Rows) -> None:
        """Take the numbers of all ``rows``; this takes 24 bytes per row while it runs."""
        hashes = np.empty(len(rows), np.uint64)
        for start, piece in rows.pieces(["id"]):
            hashes[start : start + len(piece)] = _hashes(piece["id"].to_pylist())
        self._rows = np.argsort(hashes)
        self._hashes = hashes[self._rows]

    def find(self, ids: Iterable[str]) -> np.ndarray:
        """Return the row numbers of ``ids``, int64; -1 for ids that are not in the store."""
        wanted = _hashes(ids)
        at = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        return np.where(self._hashes[at] == wanted, self._rows[at], -1)


def _hashes(ids: Iterable[str]) -> np.ndarray:
    digests = [hashlib.blake2b(id.encode(), digest_size=8).digest() for id in ids]
    return np.frombuffer(b"".join(digests), np.uint64)
