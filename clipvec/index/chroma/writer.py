"""A collection that is being loaded: made or found, checked, filled, with its ledger."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from clipvec.errors import CollectionError, ConfigError
from clipvec.index.backend import IndexWriter, check_made_of, duplicate_id_message
from clipvec.index.base import PART, ROW, IndexInfo, is_missing
from clipvec.index.chroma.client import BUILD_STATS, EXPECTED_ROWS, MARK, chroma_errors, close
from clipvec.index.chroma.collection import ChromaIndex
from clipvec.index.chroma.graphs import seal, unseal
from clipvec.index.chroma.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    import numpy as np
    import pyarrow as pa
    from chromadb.api.collection_configuration import CreateHNSWConfiguration

    from clipvec.config import HnswConfig
    from clipvec.index.backend import LedgerEntry
    from clipvec.index.base import BuildStats
    from clipvec.index.chroma.client import ChromaClientFactory
    from clipvec.store import LivePart, Store

_FIXED = ("space", "max_neighbors", "ef_construction")
"""HNSW settings that a collection keeps for life."""
_DELETE_PARTS = 100
"""Part files whose rows one request deletes."""
log = logging.getLogger(__name__)


class CollectionWriter(IndexWriter):
    """Loads a collection."""

    def __init__(
        self, factory: ChromaClientFactory, name: str, store: Store, hnsw: HnswConfig
    ) -> None:
        wanted: CreateHNSWConfiguration = {
            "space": "cosine",
            "max_neighbors": hnsw.max_neighbors,
            "ef_construction": hnsw.ef_construction,
            "ef_search": hnsw.ef_search,
        }
        self.location = factory.location(name)
        self._client = factory.connect(name, whole=True)
        try:
            with chroma_errors(self.location):
                self._rows = self._client.get_or_create_collection(
                    factory.inner(name),
                    metadata={MARK: IndexInfo.of(store).to_json(), EXPECTED_ROWS: 0},
                    configuration={"hnsw": wanted},
                    embedding_function=None,
                )
                self.max_batch_rows: int = self._client.get_max_batch_size()
            self._index = ChromaIndex(self._client, self._rows, name, self.location, factory.remote)
            self.rows_folder = self._index.rows_folder
            check_made_of(self._index.info, self._index.location, store)
            self._check_hnsw(dict(wanted))
            if self._index.info.store != store.url:  # it was moved, or this is a copy
                self._index.info = replace(self._index.info, store=store.url)
                self._note(MARK, self._index.info.to_json())
            with chroma_errors(self.location):
                self._ledger = Ledger(self._client, self._rows.id)
        except BaseException:
            close(self._client)
            raise
        links, candidates = 2 * hnsw.max_neighbors, 2 * hnsw.ef_construction
        self.rebuild_hint = f"hnsw.max_neighbors={links} hnsw.ef_construction={candidates}"

    def __enter__(self) -> CollectionWriter:
        """Return the writer."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the client, and seal what was written unless there was an error."""
        close(self._client)
        if error[0] is None and self.rows_folder is not None:
            with chroma_errors(self.location):
                seal(self.rows_folder)

    def _changing(self) -> AbstractContextManager[None]:
        """Take the seal away from graphs that change from now on; errors become one line."""
        if self.rows_folder is not None:
            with chroma_errors(self.location):
                unseal(self.rows_folder)
        return chroma_errors(self.location)

    def prepare(self, parts: Sequence[LivePart]) -> None:
        """Do nothing: a graph takes rows as they come."""

    def ledger(self) -> dict[str, LedgerEntry]:
        """Return the part files that the collection holds, wholly or in part."""
        with chroma_errors(self.location):
            return self._ledger.read()

    @contextlib.contextmanager
    def loading(self, parts: Sequence[LivePart]) -> Iterator[None]:
        """Keep the ledger while the rows of ``parts`` are added."""
        with self._changing():
            self._ledger.mark(parts, loaded=False)
        yield
        with chroma_errors(self.location):
            self._ledger.mark(parts, loaded=True)

    def add(self, vectors: np.ndarray, rows: pa.Table) -> None:
        """Add rows.

        Raises:
            CollectionError: an id occurs twice, or is in the collection already; none is added.
        """
        ids = rows["id"].to_pylist()
        self._check_new(ids, rows)
        with chroma_errors(self.location):
            self._rows.add(ids=ids, embeddings=vectors, metadatas=metadata(rows))

    def _check_new(self, ids: Sequence[str], rows: pa.Table) -> None:
        """Refuse duplicate ids: Chroma silently skips those that exist.

        Asking for the ids takes as long however many rows there are, unlike counting.
        """
        seen: dict[str, str] = {}
        for id, part in zip(ids, rows[PART].to_pylist(), strict=True):
            if id in seen:
                raise CollectionError(
                    f"{self.location}: {duplicate_id_message(id, seen[id], part)}"
                )
            seen[id] = part
        for hit in self._index.get(ids).values():
            if hit.part == seen[hit.id] and hit.row == rows[ROW][ids.index(hit.id)].as_py():
                raise CollectionError(
                    f"{self.location} has rows of {hit.part}, which its ledger does not know; "
                    "rebuild it with --rebuild"
                )
            message = duplicate_id_message(hit.id, hit.part, seen[hit.id])
            raise CollectionError(f"{self.location}: {message}")

    def finish(self) -> ChromaIndex:
        """Return the collection, whose rows are searchable as they are added."""
        return self._index

    def count_part(self, file: str) -> int:
        """Return the number of rows from a part file."""
        with chroma_errors(self.location):
            return len(self._rows.get(where={PART: file}, include=[])["ids"])

    def set_expected_rows(self, rows: int | None) -> None:
        """Record what a first loading brings, in the metadata of a collection that is new."""
        if self._index.expected_rows is not None:
            self._note(EXPECTED_ROWS, rows)

    def set_build_stats(self, stats: BuildStats | None) -> None:
        """Record what the build took in the collection's metadata."""
        if stats != self._index.build_stats:
            self._note(BUILD_STATS, None if stats is None else json.dumps(asdict(stats)))

    def _note(self, key: str, value: str | int | None) -> None:
        """Change one key of the collection's metadata; None: remove it."""
        known: dict[str, Any] = dict(self._rows.metadata or {})
        known.pop(key, None)
        if value is not None:
            known[key] = value
        with chroma_errors(self.location):
            self._rows.modify(metadata=known)

    def drop(self, files: Iterable[str]) -> None:
        """Delete the rows of part files, then their ledger entries."""
        left = list(files)
        with self._changing() if left else contextlib.nullcontext():
            for start in range(0, len(left), _DELETE_PARTS):
                some = left[start : start + _DELETE_PARTS]
                self._rows.delete(where={PART: {"$in": some}})  # type: ignore[dict-item]
                self._ledger.forget(some)

    def delete(self, file: str, ids: Sequence[str]) -> None:
        """Delete those rows of a part file that have one of ``ids``."""
        with chroma_errors(self.location):
            for start in range(0, len(ids), self.max_batch_rows):
                some = list(ids[start : start + self.max_batch_rows])
                self._rows.delete(ids=some, where={PART: file})

    def _check_hnsw(self, wanted: dict[str, Any]) -> None:
        have = self._index.settings
        for key in _FIXED:
            if have.get(key) != wanted[key]:
                group = "" if key == "space" else "hnsw."
                raise ConfigError(
                    f"{self.location} was built with {group}{key}={have.get(key)}, not "
                    f"{wanted[key]}, which cannot change; rebuild it with --rebuild"
                )
        before, now = have.get("ef_search"), wanted["ef_search"]
        if before != now:
            log.info("%s: ef_search: %s → %s (hnsw.ef_search)", self._index.name, before, now)
            self._index.set_search_settings({"ef_search": now})


def metadata(rows: pa.Table) -> list[Mapping[str, Any]]:
    """Return Chroma's metadata of rows; it has no null, and NaN is not JSON."""
    return [
        {key: value for key, value in row.items() if not is_missing(value)}
        for row in rows.drop_columns("id").to_pylist()
    ]
