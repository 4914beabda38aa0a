"""Rows of the sources that a later generation replaces."""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from clipvec import paths
from clipvec.store.checksums import THUMBNAIL
from clipvec.store.schema import DIGEST, EMBEDDING, SOURCE, id_digest, matrix
from clipvec.store.tombstones import DeletedRows, Entry

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    import pyarrow as pa

    from clipvec.store.generations import Generation
    from clipvec.store.part import Part
    from clipvec.store.schema import Row
    from clipvec.store.store import Store

_Image: TypeAlias = "tuple[str, bytes]"
"""An image of a row: the digests of its id and of its file."""
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


def live_rows(store: Store, sources: np.ndarray) -> np.ndarray:
    """Return how many rows of each source readers see, int64 [N]; see `deleted_rows`."""
    numbers = store.generations.by_folder()
    found: Counter[tuple[int, int]] = Counter()
    for part, _, piece in _rows(store, sources, ["id"]):
        number = numbers[paths.shard_folder(part.file)]
        for id, source in zip(piece["id"].to_pylist(), piece[SOURCE].to_pylist(), strict=True):
            found[number, source] += not store.tombstones.covers(part.file, id)
    return np.array([found[place] for place in map(tuple, sources.tolist())], np.int64)


def still_deleted(
    store: Store, sources: np.ndarray, generation: Generation, carried: Container[str] = ()
) -> list[Entry]:
    """Return the deletions by which images stay deleted whose sources were embedded again.

    An image is the same if its id and the bytes of its file are. Under another id it was moved, if
    a deleted one of these bytes went, and none did that readers saw.

    Args:
        store: where they are.
        sources: those that are replaced, see `deleted_rows`.
        generation: by which.
        carried: times of deletions that are left out: they came from another store, which says
            itself what is deleted of the generation.

    Returns:
        One for each deletion that it follows.

    Raises:
        StoreError: a part cannot be read.
    """
    deleted, live = _replaced_images(store, sources, carried)
    if not deleted:
        return []
    digests = {digest for _, digest in deleted}
    rows = [
        (part, id, (id_digest(id), digest))
        for marker in store.committed(generation.shards).values()
        for part in marker.parts
        for piece in store.read_all(part, ["id", DIGEST])
        for id, digest in zip(piece["id"].to_pylist(), piece[DIGEST].to_pylist(), strict=True)
        if digest in digests
    ]
    stayed = {image for _, _, image in rows}
    seen = {digest for _, digest in live - stayed}
    moved: dict[bytes, set[str]] = defaultdict(set)
    for image in deleted.keys() - stayed:
        if image[1] not in seen:
            moved[image[1]] |= deleted[image]
    found: dict[str, dict[str, DeletedRows]] = defaultdict(dict)
    for part, id, image in rows:
        if image in deleted:
            names = deleted[image]
        else:
            names = set() if image in live else moved.get(image[1], set())
        for name in names:
            found[name].setdefault(part.file, DeletedRows(part.sha256, [])).ids.append(id)
    entries = store.tombstones.active
    return [
        Entry.now(entries[name].reason, found[name], follows=entries[name].follows or name)
        for name in sorted(found)
    ]


def _replaced_images(
    store: Store, sources: np.ndarray, carried: Container[str]
) -> tuple[dict[_Image, set[str]], set[_Image]]:
    """Return the images of sources that are deleted, with the names of the deletions, and others.

    The others are those that have the bytes of a deleted one, and are shown.
    """
    known = store.tombstones
    chosen = {
        name: entry
        for name, entry in known.active.items()
        if entry.parts and (entry.generation is None or entry.joins) and entry.time not in carried
    }
    deleted: dict[_Image, set[str]] = defaultdict(set)
    live: set[_Image] = set()
    if not chosen:
        return deleted, live
    numbers = store.generations.by_folder()
    places = set(map(tuple, sources.tolist()))
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, entry in chosen.items():
        for file, rows in entry.parts.items():
            folder = paths.shard_folder(file)
            for row in rows.removed:
                if row.image and (numbers.get(folder), row.source) in places:
                    deleted[row.id, bytes.fromhex(row.image)].add(name)
            for id in rows.ids:  # the part may be another one now
                names[known.joins.folder(folder), id].add(name)
    for _, id, image, by in _images(store, sources, names):
        if by:
            deleted[id_digest(id), image] |= by
    digests = {digest for _, digest in deleted}
    for file, id, image, by in _images(store, sources, names) if deleted else ():
        if image in digests and not by and not known.covers(file, id):
            live.add((id_digest(id), image))
    return deleted, live


def _images(
    store: Store, sources: np.ndarray, names: Mapping[tuple[str, str], set[str]]
) -> Iterator[tuple[str, str, bytes, set[str]]]:
    """Yield part file, id and digest of the images of sources, and what ``names`` has of each."""
    for part, _, piece in _rows(store, sources, ["id", DIGEST]):
        folder = paths.shard_folder(part.file)
        for id, digest in zip(piece["id"].to_pylist(), piece[DIGEST].to_pylist(), strict=True):
            if digest is not None:
                yield part.file, id, digest, names.get((folder, id), set())


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
            spans = list(pool.map(partial(_sources_of, store), parts))
        for part, (first, last) in zip(parts, spans, strict=True):
            if np.searchsorted(wanted, first) == np.searchsorted(wanted, last, side="right"):
                continue
            start = 0
            for piece in store.read_all(part, [*columns, SOURCE]):
                at = np.flatnonzero(np.isin(piece[SOURCE].to_numpy(), wanted))
                if len(at):
                    yield part, start + at, piece.take(at)
                start += len(piece)


def _sources_of(store: Store, part: Part) -> tuple[int, int]:
    """Return the numbers of the first and the last source that a part has rows of."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with store.folder.open(part.file) as file:
            footer = pq.read_metadata(file)
        column = footer.schema.names.index(SOURCE)
        groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
        ends = [group.column(column).statistics for group in groups]
        if not footer.num_rows:  # as where all of them were deleted
            return 0, -1
        return min(end.min for end in ends), max(end.max for end in ends)
    except (pa.ArrowException, OSError, ValueError, AttributeError) as error:
        raise store.damaged(part, error) from error


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
        self.blocked = store.tombstones.blocked
        """Digests of images that are not to be embedded, and of their ids."""
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
