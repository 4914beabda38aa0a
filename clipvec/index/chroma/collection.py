"""A Chroma collection of image vectors, opened for search."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clipvec.errors import CollectionError, ConfigError
from clipvec.index.base import BuildStats, Capabilities, Hit, VectorIndex, clamp
from clipvec.index.chroma import brute_force
from clipvec.index.chroma.client import (
    EXPECTED_ROWS,
    LEDGER,
    chroma_errors,
    close,
    read_build_stats,
    read_info,
)
from clipvec.index.chroma.graphs import check_graphs
from clipvec.index.filters import is_of_texts, to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import chromadb
    from chromadb.api.client import Client
    from chromadb.api.types import GetResult, Include, QueryResult

    from clipvec.index.chroma.client import ChromaClientFactory
    from clipvec.index.filters import Filter

log = logging.getLogger(__name__)
_SPREAD = 32
"""Pages from which a sample is drawn."""
_PAGE = 30_000
"""Rows that one request names: SQLite (in Chroma 1.5) takes at most 32,766 variables."""


class ChromaIndex(VectorIndex):
    """An open collection."""

    def __init__(
        self, client: Client, rows: chromadb.Collection, name: str, location: str, remote: bool
    ) -> None:
        self._client, self._rows = client, rows
        self.name, self.location = name, location
        self.info = read_info(rows, location)
        self.capabilities = Capabilities(remote=remote)
        self.rows_folder = None if remote else Path(location)

    @classmethod
    def open(cls, factory: ChromaClientFactory, name: str) -> ChromaIndex:
        """Return an existing collection.

        Raises:
            CollectionError: clipvec did not make it.
        """
        client, location = factory.connect(name), factory.location(name)
        try:
            with chroma_errors(location):
                rows = client.get_collection(factory.inner(name), embedding_function=None)
            return cls(client, rows, name, location, factory.remote)
        except BaseException:
            close(client)
            raise

    def close(self) -> None:
        """Release the database."""
        close(self._client)

    def check_files(self) -> None:
        """Compare every byte of the graphs in a folder, and look for the ledger."""
        from chromadb.errors import NotFoundError

        with chroma_errors(self.location):
            try:
                self._client.get_collection(f"{self._rows.id}{LEDGER}", embedding_function=None)
            except NotFoundError as error:
                raise CollectionError(
                    f"{self.location} has lost its ledger, which says what parts of the store it "
                    "holds; rebuild it with clipvec index --rebuild"
                ) from error
        if self.rows_folder is not None:
            check_graphs(self.rows_folder, whole=True)

    @property
    def build_id(self) -> str:
        """Chroma's id of the collection, which stays when it is renamed."""
        return str(self._rows.id)

    @property
    def expected_rows(self) -> int | None:
        """Rows that a first loading, not finished yet, will bring; None: it is finished."""
        rows = (self._rows.metadata or {}).get(EXPECTED_ROWS)
        return None if rows is None else int(rows)

    @property
    def build_stats(self) -> BuildStats | None:
        """What the build took; None: several runs loaded the collection."""
        return read_build_stats(self._rows)

    @property
    def settings(self) -> dict[str, Any]:
        """Chroma's HNSW settings."""
        return dict(self._rows.configuration_json.get("hnsw") or {})

    def set_search_settings(self, settings: Mapping[str, Any]) -> None:
        """Change ``ef_search``, the candidates that a query examines.

        Chroma does not change a graph that it has loaded: the new value holds in processes that
        load it later, or here once the collection is closed and opened again.
        """
        if set(settings) != {"ef_search"}:
            raise ConfigError(f"{self.location}: {', '.join(settings)}; only ef_search can change")
        with chroma_errors(self.location), warnings.catch_warnings():
            # Chroma warns of the default embedding function, which is not used here.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._rows.modify(configuration={"hnsw": {"ef_search": settings["ef_search"]}})

    def count(self) -> int:
        """Return the number of rows."""
        with chroma_errors(self.location):
            return self._rows.count()

    def nearest(
        self, vectors: np.ndarray, k: int, where: Filter | None = None
    ) -> list[tuple[list[str], list[float]]]:
        """Return the ids and cosines that HNSW itself finds for each vector, best first."""
        found = self._ask(vectors, k, where, ["distances"])
        return [
            (ids, [clamp(1 - float(d)) for d in row])
            for ids, row in zip(found["ids"], found["distances"] or [], strict=True)
        ]

    def search(self, vectors: np.ndarray, k: int, where: Filter | None) -> list[list[Hit]]:
        """Return the rows closest to each vector; exactly, where HNSW reaches fewer than exist."""
        if len(vectors) * k > _PAGE:
            found = self.with_rows(self.nearest(vectors, k, where))
        else:
            found = self._search_at_once(vectors, k, where)
        short = [i for i, hits in enumerate(found) if len(hits) < k]
        if short and len(found[short[0]]) < (admitted := self._count_admitted(k, where)):
            # HNSW does not reach every row of a graph that is clustered, or has few links.
            log.info("%s: HNSW reached fewer than %d rows; searching exactly", self.name, admitted)
            pages = brute_force.pages(self._rows, to_chroma(where))
            with chroma_errors(self.location):
                exact = brute_force.search(pages, vectors[short], k)
                for i, rows in zip(short, exact, strict=True):
                    found[i] = self._hits(*rows)
        return found

    def _search_at_once(self, vectors: np.ndarray, k: int, where: Filter | None) -> list[list[Hit]]:
        # One request: counting the rows first, or fetching metadata after, costs more than HNSW.
        answer = self._ask(vectors, k, where, ["distances", "metadatas"])
        return [
            [Hit.of({**values, "id": id}, 1 - float(d)) for id, d, values in zip(*row, strict=True)]
            for row in zip(
                answer["ids"], answer["distances"] or [], answer["metadatas"] or [], strict=True
            )
        ]

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the vectors of these ids, as far as they exist, float32 [D] each."""
        return {
            id: vector
            for page in self._pages(ids, "embeddings")
            for id, vector in zip(
                page["ids"], np.asarray(page["embeddings"], np.float32), strict=True
            )
        }

    def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """Return the rows with these ids, as far as they exist, with a score of 1."""
        return {hit.id: hit for hit in self._hits(ids, [1.0] * len(ids))}

    def sample(self, count: int) -> np.ndarray:
        """Return about ``count`` vectors from all over the collection, float32 [N, D]."""
        held = self.count()
        size = max(1, min(held, count) // _SPREAD)
        found = []
        with chroma_errors(self.location):
            for first in range(0, held, max(1, held // _SPREAD)):
                page = self._rows.get(limit=size, offset=first, include=["embeddings"])
                found.append(np.asarray(page["embeddings"], np.float32))
        return np.concatenate(found) if found else np.empty((0, self.dim), np.float32)

    def _ask(
        self, vectors: np.ndarray, k: int, where: Filter | None, include: Include
    ) -> QueryResult:
        with chroma_errors(self.location):
            return self._rows.query(
                query_embeddings=vectors, n_results=k, where=to_chroma(where), include=include
            )

    def _count_admitted(self, k: int, where: Filter | None) -> int:
        """Return the number of rows that ``where`` admits, at most ``k``."""
        if where is None:
            return min(k, self.count())
        with chroma_errors(self.location):
            return len(self._rows.get(where=to_chroma(where), limit=k, include=[])["ids"])

    def _hits(self, ids: Sequence[str], scores: Sequence[float]) -> list[Hit]:
        """Return the rows with their metadata."""
        kept = dict(zip(ids, scores, strict=True))
        return [
            Hit.of({**values, "id": id}, kept[id])
            for page in self._pages(ids, "metadatas")
            for id, values in zip(page["ids"], page["metadatas"] or [], strict=True)
        ]

    def _pages(
        self, ids: Sequence[str], what: Literal["embeddings", "metadatas"]
    ) -> Iterator[GetResult]:
        """Ask for the rows with these ids, as many at once as the database takes."""
        for start in range(0, len(ids), _PAGE):
            with chroma_errors(self.location):
                page = self._rows.get(ids=list(ids[start : start + _PAGE]), include=[what])
            yield page


def to_chroma(where: Filter | None) -> dict[str, Any] | None:
    """Return a filter as Chroma takes it: its grammar is that of our JSON form.

    Chroma rounds 2.5 to 2 where the attribute is an integer, and 2**53 + 1 to 2**53 where it is a
    float; the values of a parsed filter have the attribute's type, so that neither happens.

    Raises:
        ConfigError: it looks into texts, of which Chroma compares only whole ones.
    """
    if where is not None and is_of_texts(where):
        raise ConfigError(
            f"where {where}: Chroma itself neither looks into texts nor orders them; use a "
            "collection in a folder, beside which clipvec index writes its rows, or = != "
            "$in $nin"
        )
    return None if where is None else to_json(where)
