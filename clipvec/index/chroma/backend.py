"""Chroma as an index backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.index.backend import IndexBackend
from clipvec.index.chroma.client import OLD, REBUILD, client_factory
from clipvec.index.chroma.collection import ChromaIndex
from clipvec.index.chroma.lock import exclusive, swap_in
from clipvec.index.chroma.writer import CollectionWriter

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from clipvec.config import ChromaConfig, ChromaHttpConfig, IndexCommandConfig
    from clipvec.store import Store

ROW_OVERHEAD = 600
"""Bytes a row that Chroma takes beside vector and links, measured over 100,000 rows x 512."""


class ChromaBackend(IndexBackend):
    """Collections in a folder or on a server."""

    def __init__(self, config: ChromaConfig | ChromaHttpConfig) -> None:
        self._factory = client_factory(config)

    def names(self) -> list[str]:
        """Return the names of the collections, without those being rebuilt."""
        return [name for name in self._factory.names() if not name.endswith((REBUILD, OLD))]

    def begun(self) -> list[str]:
        """Return the names of the collections, those too that are in the middle of a swap."""
        names = self._factory.names()
        return sorted({name.removesuffix(REBUILD).removesuffix(OLD) for name in names})

    def state(self, name: str) -> str | None:
        """Return another text for each run that changed a collection; on a server, rebuilt it."""
        return self._factory.state(name)

    def open(self, name: str) -> ChromaIndex:
        """Return a collection."""
        return ChromaIndex.open(self._factory, name)

    def exclusive(self, name: str) -> AbstractContextManager[None]:
        """Lock a collection in a folder, and clean up after an interrupted rebuild."""
        return exclusive(self._factory, name)

    def begin(self, name: str, store: Store, command: IndexCommandConfig) -> CollectionWriter:
        """Return a writer for a collection, or for its replacement."""
        if command.rebuild:
            self._factory.check_ours(name)
            name += REBUILD
        return CollectionWriter(self._factory, name, store, command.hnsw)

    def publish(self, name: str) -> None:
        """Swap a replacement in."""
        if name + REBUILD in self._factory.names():
            swap_in(self._factory, name)

    def memory_bytes(self, rows: int, dim: int, command: IndexCommandConfig) -> int:
        """Return roughly the memory that a loaded collection takes."""
        return memory_bytes(rows, dim, command.hnsw.max_neighbors)


def memory_bytes(rows: int, dim: int, max_neighbors: int) -> int:
    """Return roughly the memory in bytes that a loaded collection takes."""
    return rows * (4 * dim + 8 * max_neighbors + ROW_OVERHEAD)
