"""Rows of the sources that a later generation replaces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from clipvec.store.checksums import THUMBNAIL
from clipvec.store.schema import DIGEST, EMBEDDING, SOURCE, matrix
from clipvec.store.tombstones import DeletedRows, Entry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from clipvec.store.generations import Generation
    from clipvec.store.schema import Row
    from clipvec.store.shard import Part
    from clipvec.store.store import Store

_CONNECTIONS = 16
"""Footers fetched at once."""
_HELD = 4
"""Parts whose vectors are in memory."""


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


def still_deleted(store: Store, sources: np.ndarray, generation: Generation) -> list[Entry]:
    """Return the deletions by which images stay deleted whose sources were embedded again.

    An image is the same if the bytes of its file are, by whatever name.

    Args:
        store: where they are.
        sources: those that are replaced, see `deleted_rows`.
        generation: by which.

    Raises:
        StoreError: a part cannot be read.
    """
    reasons: dict[bytes, str | None] = {}
    chosen = [e for e in store.tombstones.active.values() if e.parts and e.generation is None]
    if not chosen:
        return []
    for part, _, piece in _rows(store, sources, ["id", DIGEST]):
        for entry in chosen:
            ids = set(entry.parts[part.file].ids) if part.file in entry.parts else set()
            for id, digest in zip(piece["id"].to_pylist(), piece[DIGEST].to_pylist(), strict=True):
                if id in ids and digest is not None:
                    reasons[digest] = entry.reason
    if not reasons:
        return []
    found: dict[str | None, dict[str, DeletedRows]] = {}
    for marker in store.committed(generation.shards).values():
        for part in marker.parts:
            for piece in store.read_all(part, ["id", DIGEST]):
                pairs = zip(piece["id"].to_pylist(), piece[DIGEST].to_pylist(), strict=True)
                for id, digest in pairs:
                    if digest in reasons:
                        parts = found.setdefault(reasons[digest], {})
                        parts.setdefault(part.file, DeletedRows(part.sha256, [])).ids.append(id)
    return [Entry.now(reason, parts) for reason, parts in found.items()]


def _rows(
    store: Store, sources: np.ndarray, columns: Sequence[str]
) -> Iterator[tuple[Part, np.ndarray, pa.RecordBatch]]:
    """Yield parts, positions in them, int64 [N], and ``columns`` of the rows of ``sources``."""
    numbers = set(sources[:, 0].tolist())
    generations = [g for g in store.generations.all() if g.number in numbers] if numbers else []
    markers = store.committed([shard for each in generations for shard in each.shards])
    for generation in generations:
        wanted = np.sort(sources[sources[:, 0] == generation.number, 1])
        mine = [markers[shard] for shard in generation.shards if shard in markers]
        parts = [part for marker in mine for part in marker.parts]
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            spans = list(pool.map(store.sources_of, parts))
        for part, (first, last) in zip(parts, spans, strict=True):
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

    Memory is some 250 bytes a row of the sources, and a few parts.
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
        self._read = lru_cache(_HELD)(self._table)

    def __contains__(self, digest: bytes | None) -> bool:
        return digest in self._places

    def take(self, row: Row) -> tuple[Row, np.ndarray]:
        """Return a row with what an earlier one of the same image has, and its vector, float32 [D].

        Raises:
            StoreError: the part cannot be read.
        """
        assert row.digest is not None
        file, position = self._places[row.digest]
        found = self._read(file).slice(position, 1).to_batches()[0]
        image = {name: found[name][0].as_py() for name in found.schema.names if name != EMBEDDING}
        return replace(row, **image), matrix(found)[0]

    def _table(self, file: str) -> pa.Table:
        """Return what `take` needs of a part."""
        import pyarrow as pa

        names = ["width", "height", EMBEDDING]
        names += [THUMBNAIL] if self._store.fingerprint.thumbnail else []
        return pa.Table.from_batches(list(self._store.read_all(self._parts[file], names)))
