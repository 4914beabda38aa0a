"""Rows of the sources that a later generation replaces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from clipvec.store.checksums import THUMBNAIL
from clipvec.store.schema import DIGEST, EMBEDDING, SOURCE, matrix
from clipvec.store.tombstones import DeletedRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from clipvec.store.schema import Row
    from clipvec.store.shard import Part
    from clipvec.store.store import Store


def deleted_rows(store: Store, sources: np.ndarray) -> dict[str, DeletedRows]:
    """Return the rows of sources, by part file.

    Args:
        store: where they are.
        sources: generation and number of each, int64 [N, 2].

    Raises:
        StoreError: a part cannot be read.
    """
    found: dict[str, DeletedRows] = {}
    for part, _, piece in _rows(store, sources, ["id"]):
        rows = found.setdefault(part.file, DeletedRows(part.sha256, []))
        rows.ids.extend(piece["id"].to_pylist())
    return found


def _rows(
    store: Store, sources: np.ndarray, columns: Sequence[str]
) -> Iterator[tuple[Part, np.ndarray, pa.RecordBatch]]:
    """Yield parts, positions in them, int64 [N], and ``columns`` of the rows of ``sources``."""
    generations = store.generations.all() if len(sources) else []
    for generation in generations:
        wanted = np.sort(sources[sources[:, 0] == generation.number, 1])
        markers = store.committed(generation.shards) if len(wanted) else {}
        for part in (part for marker in markers.values() for part in marker.parts):
            first, last = store.sources_of(part)
            if np.searchsorted(wanted, first) == np.searchsorted(wanted, last, side="right"):
                continue
            start = 0
            for piece in store.read_all(part, [*columns, SOURCE]):
                at = np.flatnonzero(np.isin(piece[SOURCE].to_numpy(), wanted))
                if len(at):
                    yield part, start + at, piece.take(at)
                start += len(piece)


class KnownImages:
    """Images whose vectors a store holds, by the digest of the image file.

    Memory is some 250 bytes a row of the sources, and one part.
    """

    def __init__(self, store: Store, sources: np.ndarray) -> None:
        """Look up the rows of ``sources``, see `deleted_rows`.

        Raises:
            StoreError: a part cannot be read.
        """
        self._store = store
        self._parts: dict[str, Part] = {}
        self._places: dict[bytes, tuple[str, int]] = {}
        for part, positions, piece in _rows(store, sources, [DIGEST]):
            self._parts[part.file] = part
            for digest, position in zip(piece[DIGEST].to_pylist(), positions, strict=True):
                if digest is not None:
                    self._places.setdefault(digest, (part.file, int(position)))
        self._held = ""
        """The part file whose `_rows` are in memory."""
        self._rows: pa.Table | None = None

    def __contains__(self, digest: bytes | None) -> bool:
        return digest in self._places

    def take(self, row: Row) -> tuple[Row, np.ndarray]:
        """Return a row with what an earlier one of the same image has, and its vector, float32 [D].

        Raises:
            StoreError: the part cannot be read.
        """
        assert row.digest is not None
        file, position = self._places[row.digest]
        if self._rows is None or file != self._held:
            names = ["width", "height", EMBEDDING]
            names += [THUMBNAIL] if self._store.fingerprint.thumbnail else []
            import pyarrow as pa

            pieces = list(self._store.read_all(self._parts[file], names))
            self._held, self._rows = file, pa.Table.from_batches(pieces)
        found = self._rows.slice(position, 1).to_batches()[0]
        image = {name: found[name][0].as_py() for name in found.schema.names if name != EMBEDDING}
        return replace(row, **image), matrix(found)[0]
