"""Queries to rows: search, re-rank, look up, with many requests at once."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache

from clipvec.errors import ConfigError
from clipvec.index import Hit, combine, filters
from clipvec.service import metrics, ranking
from clipvec.service.batches import Batches
from clipvec.service.facets import FacetCounts
from clipvec.service.loading import open_both, same_golden
from clipvec.service.map_points import MapPoints
from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clipvec.config import ServeConfig
    from clipvec.index import VectorIndex
    from clipvec.service.encoding import QueryEncoder
    from clipvec.service.schema import Options, Term

_SAMPLE = 1024
_THUMBNAIL_BYTES = 64 * 2**20
_SPARE_BYTES = 2**24
"""Of thumbnails that nobody asked for, which one look-up keeps."""
_SEARCHES, _LOOKUPS = 64, 256
_WARMED = 16
"""Queries that are asked before the first request."""

log = logging.getLogger(__name__)


class UnknownRow(ConfigError):
    """There is no row of that id."""


class OtherModel(ConfigError):
    """A vector is of another model than the rows."""


@dataclass(frozen=True)
class Request:
    """One nearest-neighbour search."""

    vector: np.ndarray
    """float32 [D], unit length."""
    k: int
    where: filters.Filter | None
    min_score: float | None


class Searcher:
    """One collection as it was opened, its encoder, and what is kept of both.

    Many requests ask it at once. The index and the store have a thread each, which work on batches.
    """

    def __init__(self, collection: VectorIndex, queries: QueryEncoder) -> None:
        """Put an index and its encoder together, which are closed with this."""
        self.collection, self.queries = collection, queries
        self.model_digest = collection.fingerprint.model.digest
        """What tells vectors of its model from others."""
        sample = collection.sample(_SAMPLE)
        self._baseline = ranking.ScoreBaseline(sample)
        if len(sample):  # the first requests find its pages in memory
            collection.query_many(sample[:: -(-len(sample) // _WARMED)], 1)
        searching, reading = (ThreadPoolExecutor(1, name) for name in ("searching", "reading"))
        self._searches = Batches("search", self._search, _SEARCHES, searching)
        self._rows = Batches("row", self._get, _LOOKUPS, searching)
        self._thumbnails = Batches("thumbnail", self._read, _LOOKUPS, reading)
        self._kept: LRUCache[str, bytes] = LRUCache(_THUMBNAIL_BYTES, len)
        self._threads = (searching, reading)
        self.facets = FacetCounts(collection)
        """Counts what filters leave."""
        self.map = MapPoints(collection)
        """Where the rows are on a plane."""

    @classmethod
    def open(cls, settings: ServeConfig, known: QueryEncoder | None = None) -> Searcher:
        """Return a searcher of the index that ``settings`` names.

        Args:
            settings: name the index, and the encoder.
            known: is shared, if it is the encoder that made the index.

        Raises:
            CollectionError: there is no such collection.
            FingerprintError: the encoder is not the one that made it.
            ModelError: the encoder cannot be loaded.
        """
        collection, queries = open_both(settings, known)
        try:
            return cls(collection, queries)
        except BaseException:
            queries.close()
            collection.close()
            raise

    def close(self) -> None:
        """Finish running work, and close the index and the encoder, all that can be closed."""
        with contextlib.ExitStack() as closing:  # in the reverse order
            closing.callback(self.queries.close)
            closing.callback(self.collection.close)
            for threads in self._threads:
                closing.callback(threads.shutdown)
            closing.callback(self.map.close)
            closing.callback(self.facets.close)
        # They hold this, and the index would stay in memory until a search for garbage.
        del self._searches, self._rows, self._thumbnails

    async def search(self, vector: np.ndarray, options: Options) -> list[tuple[Hit, float]]:
        """Return the rows closest to ``vector`` and their z-scores, best first.

        Raises:
            ConfigError: the filter is not one for this collection.
        """
        given, types = options.where, self.collection.attributes
        if isinstance(given, dict):
            where = filters.from_json(given, types) if given else None
        else:
            where = filters.parse(given or [], types)

        async def nearest(k: int) -> list[Hit]:
            return await self._searches(Request(vector, k, where, options.min_score))

        with metrics.STAGE_SECONDS.labels("search").time():
            hits = await ranking.best(nearest, self._vectors_of, vector, options)
        loop = asyncio.get_running_loop()
        mean, deviation = await loop.run_in_executor(
            self._threads[0], self._baseline.spread, vector
        )
        return [(hit, (hit.score - mean) / deviation) for hit in hits]

    async def vector(self, terms: Sequence[Term]) -> np.ndarray:
        """Return the weighted sum of terms as a unit vector, float32 [D].

        Raises:
            ConfigError: a term is not what it should be, or they cancel each other out.
            UnknownRow: a term names a row that there is not.
            OtherModel: a vector is of another model.
        """
        with metrics.STAGE_SECONDS.labels("encode").time():
            queries = self.queries
            left = iter(await queries.base64([x.image for x in terms if x.image is not None]))
            vectors = await asyncio.gather(
                *(self._term(x) if x.image is None else queries.image(next(left)) for x in terms)
            )
            return combine(np.stack(vectors), [term.weight for term in terms])

    async def _term(self, term: Term) -> np.ndarray:
        if term.text is not None:
            return await self.queries.text(term.text)
        if term.id is not None:
            found = await self._vectors_of([term.id])
            if term.id not in found:
                raise UnknownRow(f"there is no row {term.id!r}")
            return unit(found[term.id])
        if term.model not in {None, self.model_digest}:
            raise OtherModel(
                f"this vector was made by model {term.model}, and {self.model_digest} is served "
                "now, to which it says nothing; give its image or text again"
            )
        vector = np.asarray(term.vector, np.float64)
        if vector.shape != (self.collection.dim,) or not np.abs(vector).max() > 0:
            raise ConfigError(
                f"vector: {self.collection.dim} numbers that are not all zero are needed, "
                f"not {len(vector)}"
            )
        return unit(vector / np.abs(vector).max())

    async def row(self, id: str) -> Hit:
        """Return a row.

        Raises:
            UnknownRow: there is none of that id.
        """
        return await self._rows(id)

    async def thumbnail(self, id: str) -> bytes:
        """Return the JPEG thumbnail of a row.

        Raises:
            UnknownRow: there is no such row, or it has no thumbnail.
        """
        with metrics.STAGE_SECONDS.labels("thumbnails").time():
            return await self._thumbnails(id)

    async def ready(self) -> bool:
        """Return whether the encoder embeds the golden pair as it should, and the index answers."""
        try:
            return await self._answers()
        except Exception as error:  # whatever the reason, the probe fails
            log.error("not ready: %s", error)
            return False

    async def _answers(self) -> bool:
        image, text = await self.queries.probe()
        if not same_golden(self.collection, image, text):
            return False
        vector = np.asarray(text, np.float32)
        found = await self._searches(Request(vector, 1, None, None))
        # an index of which every row is deleted answers too
        loop = asyncio.get_running_loop()
        return bool(found) or await loop.run_in_executor(
            self._threads[0], self.collection.answers, vector
        )

    async def count(self) -> int:
        """Return the number of rows."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads[0], self.collection.count)

    async def _vectors_of(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads[0], self.collection.vectors, ids)

    def _search(self, requests: Sequence[Request]) -> list[list[Hit] | Exception]:
        """Query the index once for all requests that differ only in the vector."""
        found: list[list[Hit] | Exception] = [[] for _ in requests]
        for places in _alike(requests):
            first = requests[places[0]]
            vectors = np.stack([requests[i].vector for i in places])
            try:
                rows = self.collection.query_many(vectors, first.k, first.where, first.min_score)
            except Exception as error:
                rows = [error] * len(places)  # type: ignore[list-item]
            for i, hits in zip(places, rows, strict=True):
                found[i] = hits
        return found

    def _get(self, ids: Sequence[str]) -> list[Hit | Exception]:
        found = self.collection.get(list(dict.fromkeys(ids)))
        return [found.get(id) or UnknownRow(f"there is no row {id!r}") for id in ids]

    def _read(self, ids: Sequence[str]) -> list[bytes | Exception]:
        """Read thumbnails, and keep those that are read along: the next page has some of them."""
        hits = self.collection.get([*dict.fromkeys(ids)])  # without rows deleted since
        keys = {id: hit.key for id, hit in hits.items()}
        known = {key: self._kept[key] for key in keys.values() if key in self._kept}
        near = self.collection.thumbnails(
            [hit for hit in hits.values() if hit.key not in known], _SPARE_BYTES
        )
        read = {key: thumbnail for key, thumbnail in near.items() if thumbnail}
        self._kept.update(read)
        known |= read
        return [known.get(keys.get(id, "")) or _without_thumbnail(id, hits) for id in ids]


def _without_thumbnail(id: str, rows: Mapping[str, Hit]) -> UnknownRow:
    return UnknownRow(f"row {id!r} has no thumbnail" if id in rows else f"there is no row {id!r}")


def _alike(requests: Sequence[Request]) -> list[list[int]]:
    """Return the positions of requests that can be asked as one."""
    groups: dict[str, list[int]] = {}
    for i, request in enumerate(requests):
        key = repr((request.k, request.where, request.min_score))
        groups.setdefault(key, []).append(i)
    return list(groups.values())
