"""A Chroma collection of image vectors: made, opened, filled, searched."""

from __future__ import annotations

import json
import logging
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.config import ModelConfig, from_dict
from clipvec.errors import CollectionError, ConfigError
from clipvec.index.base import SCORE_TOLERANCE, Hit, clamp
from clipvec.index.chroma import brute_force
from clipvec.index.chroma.client import MARK, chroma_errors, close, open_place
from clipvec.index.filters import to_json
from clipvec.store import Fingerprint, thumbnails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Self

    import chromadb
    from chromadb.api.client import Client
    from chromadb.api.types import Include, QueryResult

    from clipvec.config import IndexConfig
    from clipvec.index.filters import Filter

log = logging.getLogger(__name__)
_SPREAD = 32
"""Places from which a sample is drawn."""
_OWN = ("uri", "caption", "width", "height", "_shard", "_part", "_row")


class Collection:
    """An open collection; close it, or use it as a context."""

    def __init__(self, client: Client, rows: chromadb.Collection, name: str, where: str) -> None:
        self._client, self._rows = client, rows
        self.name = name
        self.where = where
        """Folder, or URL and name, for messages."""
        try:
            about = json.loads((rows.metadata or {})[MARK])
            self.fingerprint = Fingerprint.from_json(about["fingerprint"])
            self.store: str = about["store"]
            """Path or URL of the store that it was loaded from."""
            self._model: dict[str, Any] = about["model"]
        except (KeyError, TypeError, ValueError) as error:
            raise CollectionError(
                f"{where} was made by something else than clipvec; choose another index.path, "
                "another server, or another dataset.name"
            ) from error

    @classmethod
    def open(cls, index: IndexConfig, name: str) -> Collection:
        """Return a collection that is there.

        Raises:
            CollectionError: it is not there, or was made by something else.
        """
        place = open_place(index)
        if name not in place.collections():
            raise CollectionError(
                f"there is no collection {name} in {place.where('')}; make it with "
                "python -m clipvec.index"
            )
        client = place.connect(name)
        try:
            with chroma_errors(place.where(name)):
                rows = client.get_collection(place.inner(name), embedding_function=None)
            return cls(client, rows, name, place.where(name))
        except BaseException:
            close(client)
            raise

    def close(self) -> None:
        """Let go of the database."""
        close(self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def model_config(self) -> ModelConfig:
        """The encoder that made the vectors, with device and precision left to be chosen."""
        return from_dict({k: self._model[k] for k in ("name", "arch", "pretrained")}, ModelConfig)

    @property
    def attributes(self) -> dict[str, str]:
        """The dataset's attributes and their types."""
        return self.fingerprint.attributes

    @property
    def dim(self) -> int:
        """Length of the vectors, D."""
        return self.fingerprint.model.dim

    @property
    def id(self) -> str:
        """Chroma's id of the collection, which stays when it is renamed."""
        return str(self._rows.id)

    @property
    def hnsw(self) -> dict[str, Any]:
        """Chroma's HNSW settings."""
        return dict(self._rows.configuration_json.get("hnsw") or {})

    def set_ef_search(self, ef_search: int) -> None:
        """Change the candidates that a query examines.

        Chroma keeps a graph that it has loaded as it is: this takes effect in processes that load
        it later, or here once the collection is closed and opened again.
        """
        with chroma_errors(self.where), warnings.catch_warnings():
            # Chroma warns of the default embedding function, which is not used here.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._rows.modify(configuration={"hnsw": {"ef_search": ef_search}})

    def count(self) -> int:
        """Return the number of rows."""
        with chroma_errors(self.where):
            return self._rows.count()

    def query(
        self,
        vector: np.ndarray,
        k: int,
        where: Filter | None = None,
        min_score: float | None = None,
    ) -> list[Hit]:
        """Return the ``k`` rows closest to ``vector`` (float32 [D]), best first.

        Fewer come only when there are no more, or when they score below ``min_score``.

        Args:
            vector: of any length but zero.
            k: at least 1; it may exceed the collection.
            where: which rows are admitted.
            min_score: lowest cosine, up to `SCORE_TOLERANCE`.

        Raises:
            CollectionError: Chroma does not answer.
            ConfigError: the vector or the filter is not one for this collection.
        """
        return self.query_many(vector[None], k, where, min_score)[0]

    def query_many(
        self,
        vectors: np.ndarray,
        k: int,
        where: Filter | None = None,
        min_score: float | None = None,
    ) -> list[list[Hit]]:
        """Return what `query` returns for each of ``vectors``, float32 [N, D], in one request."""
        if vectors.shape[1:] != (self.dim,) or not np.isfinite(vectors).all() or k < 1:
            raise ConfigError(
                f"{self.name} takes k of at least 1 and finite vectors of {self.dim} numbers, "
                f"not k={k} and {list(vectors.shape)}"
            )
        if not len(vectors):
            return []
        # One request: counting the rows first, or fetching metadata after, costs more than HNSW.
        answer = self._ask(vectors, k, where, ["distances", "metadatas"])
        found = [
            [_hit(id, clamp(1 - float(d)), values) for id, d, values in zip(*row, strict=True)]
            for row in zip(
                answer["ids"], answer["distances"] or [], answer["metadatas"] or [], strict=True
            )
        ]
        short = [i for i, hits in enumerate(found) if len(hits) < k]
        if short and len(found[short[0]]) < (there := self._matching(k, where)):
            # HNSW does not reach every row of a graph that is clustered, or has few links.
            log.info("%s: HNSW reached fewer than %d rows; searching exactly", self.name, there)
            pages = brute_force.pages(self._rows, to_chroma(where))
            with chroma_errors(self.where):
                for i, rows in zip(
                    short, brute_force.search(pages, vectors[short], k), strict=True
                ):
                    found[i] = self._hits(*rows)
        least = -np.inf if min_score is None else min_score - SCORE_TOLERANCE
        return [
            sorted(
                (hit for hit in hits if hit.score >= least),
                key=lambda hit: (-hit.score, hit.id),
            )
            for hits in found
        ]

    def nearest(
        self, vectors: np.ndarray, k: int, where: Filter | None = None
    ) -> list[tuple[list[str], list[float]]]:
        """Return the ids and cosines that HNSW itself finds for each vector."""
        found = self._ask(vectors, k, where, ["distances"])
        return [
            (ids, [clamp(1 - float(d)) for d in row])
            for ids, row in zip(found["ids"], found["distances"] or [], strict=True)
        ]

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the vectors of those ``ids`` that are there, float32 [D] each."""
        if not ids:  # Chroma takes an empty list for an error
            return {}
        with chroma_errors(self.where):
            found = self._rows.get(ids=list(ids), include=["embeddings"])
        return dict(zip(found["ids"], np.asarray(found["embeddings"], np.float32), strict=True))

    def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """Return those rows that are there, with the score that their own vectors have: 1."""
        hits = self._hits(list(ids), [1.0] * len(ids)) if ids else []
        return {hit.id: hit for hit in hits}

    def sample(self, count: int) -> np.ndarray:
        """Return about ``count`` vectors from all over the collection, float32 [N, D]."""
        held = self.count()
        size = max(1, min(held, count) // _SPREAD)
        found = []
        with chroma_errors(self.where):
            for first in range(0, held, max(1, held // _SPREAD)):
                page = self._rows.get(limit=size, offset=first, include=["embeddings"])
                found.append(np.asarray(page["embeddings"], np.float32))
        return np.concatenate(found) if found else np.empty((0, self.dim), np.float32)

    def part_ids(self, file: str) -> list[str]:
        """Return the ids of the rows that came from a part file."""
        with chroma_errors(self.where):
            return self._rows.get(where={"_part": file}, include=[])["ids"]

    def thumbnails(self, hits: Sequence[Hit]) -> list[bytes | None]:
        """Return the JPEG thumbnails of ``hits`` from the store; None where there is none."""
        return thumbnails.read(self.store, [(hit.part, hit.row, hit.id) for hit in hits])

    def _ask(
        self, vectors: np.ndarray, k: int, where: Filter | None, include: Include
    ) -> QueryResult:
        with chroma_errors(self.where):
            return self._rows.query(
                query_embeddings=vectors, n_results=k, where=to_chroma(where), include=include
            )

    def _matching(self, k: int, where: Filter | None) -> int:
        """Return the number of rows that ``where`` admits, at most ``k``."""
        if where is None:
            return min(k, self.count())
        with chroma_errors(self.where):
            return len(self._rows.get(where=to_chroma(where), limit=k, include=[])["ids"])

    def _hits(self, ids: list[str], scores: list[float]) -> list[Hit]:
        """Return the rows with their metadata."""
        kept = dict(zip(ids, scores, strict=True))
        with chroma_errors(self.where):
            found = self._rows.get(ids=ids, include=["metadatas"])
        return [
            _hit(id, kept[id], values)
            for id, values in zip(found["ids"], found["metadatas"] or [], strict=True)
        ]


def to_chroma(where: Filter | None) -> dict[str, Any] | None:
    """Return a filter as Chroma takes it: its grammar is that of our JSON form.

    Chroma rounds 2.5 to 2 where the attribute is an integer, and 2**53 + 1 to 2**53 where it is a
    float; the values of a parsed filter have the attribute's type, so that neither happens.
    """
    return None if where is None else to_json(where)


def _hit(id: str, score: float, values: Mapping[str, Any]) -> Hit:
    caption = values.get("caption")
    return Hit(
        id=id,
        score=score,
        uri=str(values.get("uri", "")),
        caption=None if caption is None else str(caption),
        width=int(values.get("width", 0)),
        height=int(values.get("height", 0)),
        attributes={key: value for key, value in values.items() if key not in _OWN},
        part=str(values.get("_part", "")),
        row=int(values.get("_row", 0)),
    )
