"""Queries to rows: encode, search, re-rank, with many requests at once."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from cachetools import LRUCache

from clipvec.errors import ConfigError
from clipvec.index import Hit, combine, filters
from clipvec.service import metrics, ranking
from clipvec.service.batches import Batches
from clipvec.service.facets import FacetCounts
from clipvec.service.images import File, ImageDecoder
from clipvec.service.loading import open_both, same_golden
from clipvec.service.map_points import MapPoints
from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clipvec.config import ServeConfig
    from clipvec.index import VectorIndex
    from clipvec.model import Encoder
    from clipvec.service.schema import Options, Term

_SAMPLE = 1024
_TEXTS_KEPT = 4096
_THUMBNAIL_BYTES = 64 * 2**20
_SEARCHES, _LOOKUPS = 64, 256
_TOGETHER = 8
"""Images of a request that are decoded and encoded at once."""


log = logging.getLogger(__name__)


class UnknownRow(ConfigError):
    """There is no row of that id."""


@dataclass(frozen=True)
class Request:
    """One nearest-neighbour search."""

    vector: np.ndarray
    """float32 [D], unit length."""
    k: int
    where: filters.Filter | None
    min_score: float | None


class Searcher:
    """One collection and its encoder, queried by many requests at once.

    The encoder has one thread and works on batches; the index and the store have their own.
    """

    def __init__(self, collection: VectorIndex, encoder: Encoder, settings: ServeConfig) -> None:
        self.collection, self.encoder = collection, encoder
        self._decoder = ImageDecoder(
            encoder.preprocess, settings.max_pixels, settings.max_decode_seconds
        )
        self._baseline = ranking.ScoreBaseline(collection.sample(_SAMPLE))
        encoding, searching, reading = (ThreadPoolExecutor(1, name) for name in "esr")
        self._texts = Batches("text", self._encode_texts, settings.max_batch_size, encoding)
        self._images = Batches("image", self._encode_images, settings.max_batch_size, encoding)
        self._searches = Batches("search", self._search, _SEARCHES, searching)
        self._rows = Batches("row", self._get, _LOOKUPS, searching)
        self._thumbnails = Batches("thumbnail", self._read, _LOOKUPS, reading)
        self._text_vectors: LRUCache[str, np.ndarray] = LRUCache(_TEXTS_KEPT)
        self._kept: LRUCache[str, bytes] = LRUCache(_THUMBNAIL_BYTES, len)
        self._threads = (encoding, searching, reading)
        self.facets = FacetCounts(collection)
        """Counts what filters leave."""
        self.map = MapPoints(collection)
        """Where the rows are on a plane."""
        self._folder = _identity(collection.location)

    @classmethod
    def open(cls, settings: ServeConfig) -> Searcher:
        """Return a searcher of the index that ``settings`` names.

        Raises:
            CollectionError: there is no such collection.
            FingerprintError: the encoder is not the one that made it.
            ModelError: the encoder cannot be loaded.
        """
        collection, encoder = open_both(settings)
        return cls(collection, encoder, settings)

    def close(self) -> None:
        """Finish running work, and close the index."""
        self._decoder.close()
        self.facets.close()
        self.map.close()
        for threads in self._threads:
            threads.shutdown()
        self.collection.close()

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
            self._threads[1], self._baseline.spread, vector
        )
        return [(hit, (hit.score - mean) / deviation) for hit in hits]

    async def vector(self, terms: Sequence[Term]) -> np.ndarray:
        """Return the weighted sum of terms as a unit vector, float32 [D].

        Raises:
            ConfigError: a term is not what it should be, or they cancel each other out.
            UnknownRow: a term names a row that there is not.
        """
        with metrics.STAGE_SECONDS.labels("encode").time():
            encoded = [term.image for term in terms if term.image is not None]
            files = await self._decoder.from_base64(encoded)
            await self._decoder.check(files)
            left = iter([("image", file) for file in files])
            vectors = await asyncio.gather(
                *(self._term(x) if x.image is None else self._image(next(left)) for x in terms)
            )
            return combine(np.stack(vectors), [term.weight for term in terms])

    async def _term(self, term: Term) -> np.ndarray:
        if term.text is not None:
            return await self.text(term.text)
        if term.id is not None:
            found = await self._vectors_of([term.id])
            if term.id not in found:
                raise UnknownRow(f"there is no row {term.id!r}")
            return unit(found[term.id])
        vector = np.asarray(term.vector, np.float64)
        if vector.shape != (self.collection.dim,) or not np.abs(vector).max() > 0:
            raise ConfigError(
                f"vector: {self.collection.dim} numbers that are not all zero are needed, "
                f"not {len(vector)}"
            )
        return unit(vector / np.abs(vector).max())

    async def text(self, text: str) -> np.ndarray:
        """Return the vector of a text, float32 [D], unit length."""
        found = self._text_vectors.get(text)
        if found is None:
            found = self._text_vectors[text] = await self._texts(text)
        return found

    async def images(self, files: Sequence[File]) -> list[np.ndarray]:
        """Return the vectors of the image files of a request, float32 [D] each, unit length.

        Raises:
            ConfigError: one cannot be decoded, or they have too many pixels together.
        """
        await self._decoder.check([content for _, content in files])
        vectors: list[np.ndarray] = []
        for start in range(0, len(files), _TOGETHER):
            vectors += await asyncio.gather(*map(self._image, files[start : start + _TOGETHER]))
        return vectors

    async def _image(self, file: File) -> np.ndarray:
        return await self._images(await self._decoder(file))

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
            loop = asyncio.get_running_loop()
            updated = await loop.run_in_executor(self._threads[1], self._updated)
            return not updated and await self._answers()
        except Exception as error:  # whatever the reason, the probe fails
            log.error("not ready: %s", error)
            return False

    def _updated(self) -> bool:
        """Return whether the index is another than was opened, and say so."""
        location = self.collection.location
        if self._folder and _identity(location) != self._folder:
            log.error("not ready: %s is gone or was replaced; restart the service", location)
            return True
        if not self.collection.outdated():
            return False
        log.error(
            "not ready: %s was updated; restart the service, which has the old rows", location
        )
        return True

    async def _answers(self) -> bool:
        loop = asyncio.get_running_loop()
        image, text = await loop.run_in_executor(self._threads[0], self.encoder.probe)
        if not same_golden(self.collection, image, text):
            return False
        vector = np.asarray(text, np.float32)
        found = await self._searches(Request(vector, 1, None, None))
        # an index of which every row is deleted answers too
        return bool(found) or await loop.run_in_executor(
            self._threads[1], self.collection.answers, vector
        )

    async def count(self) -> int:
        """Return the number of rows."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads[1], self.collection.count)

    async def _vectors_of(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads[1], self.collection.vectors, ids)

    def _encode_texts(self, texts: Sequence[str]) -> list[np.ndarray | Exception]:
        return list(self.encoder.encode_texts(texts))

    def _encode_images(self, pixels: Sequence[np.ndarray]) -> list[np.ndarray | Exception]:
        found: list[np.ndarray | Exception] = []
        for size in _powers(len(pixels)):
            some = pixels[len(found) : len(found) + size]
            found.extend(self.encoder.encode_images(np.stack(some)))
        return found

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
        near = self.collection.thumbnails_near([h for h in hits.values() if h.key not in known])
        read = {key: thumbnail for key, thumbnail in near.items() if thumbnail}
        self._kept.update(read)
        known |= read
        return [known.get(keys.get(id, "")) or _without_thumbnail(id, hits) for id in ids]


def _without_thumbnail(id: str, rows: Mapping[str, Hit]) -> UnknownRow:
    return UnknownRow(f"row {id!r} has no thumbnail" if id in rows else f"there is no row {id!r}")


def _identity(location: str) -> tuple[int, int] | None:
    """Return what tells the folder of an index from another of its name; None: there is none."""
    try:
        status = Path(location).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _powers(number: int) -> list[int]:
    """Return the powers of two that a number is the sum of, largest first.

    torch keeps some fifty megabytes per size of a batch of images: few sizes are used.
    """
    return [1 << bit for bit in reversed(range(number.bit_length())) if number >> bit & 1]


def _alike(requests: Sequence[Request]) -> list[list[int]]:
    """Return the positions of requests that can be asked as one."""
    groups: dict[str, list[int]] = {}
    for i, request in enumerate(requests):
        key = repr((request.k, request.where, request.min_score))
        groups.setdefault(key, []).append(i)
    return list(groups.values())
