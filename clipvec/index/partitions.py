"""The collections of one store, one for each partition of its shards, searched side by side."""

from __future__ import annotations

import contextlib
import heapq
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from clipvec import paths, shards
from clipvec.errors import CollectionError
from clipvec.index.chroma.client import open_place
from clipvec.index.chroma.collection import Collection

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from clipvec.config import IndexConfig, ModelConfig
    from clipvec.index.base import Hit
    from clipvec.index.filters import Filter
    from clipvec.store import Fingerprint

log = logging.getLogger(__name__)
Found = TypeVar("Found")


class Partitions:
    """One collection, or the partitions of one, open together; close it, or use it as a context.

    The best k of all are among the best k of each, so that what is found is what one collection
    of all rows would find, as far as each graph is exact.
    """

    def __init__(self, name: str, collections: Sequence[Collection]) -> None:
        self.name = name
        self._collections = collections
        self._first = collections[0]
        self._threads = ThreadPoolExecutor(len(collections), "partition")

    @classmethod
    def open(cls, index: IndexConfig, name: str | None = None) -> Self:
        """Return what ``python -m clipvec.index`` made.

        Args:
            index: where it lies.
            name: ``<dataset>--<model>``, with all its partitions where it has some, or a single
                partition; None: the only one there is.

        Raises:
            CollectionError: there is none, there are several to choose from, or one was made by
                something else.
            FingerprintError: the partitions are not of one store.
        """
        place = open_place(index)
        there = place.collections()
        wholes = dict.fromkeys(map(paths.whole_collection, there))
        if name is None and len(wholes) == 1:
            (name,) = wholes
        if name is None or name not in {*wholes, *there}:
            raise CollectionError(_no_collection(name, [*wholes], place.where("")))
        # The whole comes before its partitions, where somebody made both.
        names = [name] if name in there else [n for n in there if paths.whole_collection(n) == name]
        with contextlib.ExitStack() as opened:
            found = [opened.enter_context(Collection.open(index, each)) for each in names]
            for other in found[1:]:
                _check_alike(found[0], other)
            opened.pop_all()
        made = cls(name, found)
        if names != [name]:
            _tell_missing(name, names, found[0].fingerprint)
        return made

    def close(self) -> None:
        """Let go of the databases."""
        self._threads.shutdown()
        for collection in self._collections:
            collection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def where(self) -> str:
        """Folder, or URL and name, for messages."""
        return self._first.where

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the store that all were loaded from."""
        return self._first.fingerprint

    @property
    def model_config(self) -> ModelConfig:
        """The encoder that made the vectors, with device and precision left to be chosen."""
        return self._first.model_config

    @property
    def attributes(self) -> dict[str, str]:
        """The dataset's attributes and their types."""
        return self._first.attributes

    @property
    def dim(self) -> int:
        """Length of the vectors, D."""
        return self._first.dim

    def count(self) -> int:
        """Return the number of rows."""
        return sum(self._each(lambda collection: collection.count()))

    def query(
        self,
        vector: np.ndarray,
        k: int,
        where: Filter | None = None,
        min_score: float | None = None,
    ) -> list[Hit]:
        """Return the ``k`` rows closest to ``vector`` (float32 [D]), see `Collection.query`."""
        return self.query_many(vector[None], k, where, min_score)[0]

    def query_many(
        self,
        vectors: np.ndarray,
        k: int,
        where: Filter | None = None,
        min_score: float | None = None,
    ) -> list[list[Hit]]:
        """Return what `query` returns for each of ``vectors``, float32 [N, D].

        Raises:
            CollectionError: Chroma does not answer.
            ConfigError: the vectors or the filter are not ones for this collection.
        """
        found = self._each(lambda collection: collection.query_many(vectors, k, where, min_score))
        return [_merged(rows, k) for rows in zip(*found, strict=True)]

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the vectors of those ``ids`` that are there, float32 [D] each."""
        return _together(self._each(lambda collection: collection.vectors(ids)))

    def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """Return those rows that are there, with the score that their own vectors have: 1."""
        return _together(self._each(lambda collection: collection.get(ids)))

    def sample(self, count: int) -> np.ndarray:
        """Return about ``count`` vectors from all over the collection, float32 [N, D]."""
        share = -(-count // len(self._collections))
        return np.concatenate(self._each(lambda collection: collection.sample(share)))

    def thumbnails(self, hits: Sequence[Hit]) -> list[bytes | None]:
        """Return the JPEG thumbnails of ``hits`` from the store; None where there is none."""
        return self._first.thumbnails(hits)

    def _each(self, ask: Callable[[Collection], Found]) -> list[Found]:
        if len(self._collections) == 1:
            return [ask(self._first)]
        return list(self._threads.map(ask, self._collections))


def _merged(found: Sequence[Sequence[Hit]], k: int) -> list[Hit]:
    """Return the best ``k`` of lists that are ordered each; a row of two partitions comes once."""
    ordered = heapq.merge(*found, key=lambda hit: (-hit.score, hit.id))
    return list({hit.id: hit for hit in ordered}.values())[:k]


def _together(found: Sequence[dict[str, Found]]) -> dict[str, Found]:
    return {id: value for each in found for id, value in each.items()}


def _check_alike(one: Collection, other: Collection) -> None:
    """Refuse partitions of different stores."""
    theirs = other.fingerprint
    one.fingerprint.check_data(vars(theirs), f"the partition {one.where}")
    one.fingerprint.model.check(
        theirs.model, f"the partition {one.where}", f"the partition {other.where}"
    )


def _tell_missing(name: str, names: Sequence[str], fingerprint: Fingerprint) -> None:
    count = fingerprint.sharding_count
    held = {shard for each in names for shard in shards.parse(paths.partition(each), count)}
    missing = sorted(set(range(count)) - held)
    if missing:
        spec = shards.format(missing)
        log.warning("%s: no partition holds the shards %s", name, spec)


def _no_collection(name: str | None, names: list[str], where: str) -> str:
    if not names:
        return f"there is no collection in {where}; make one with python -m clipvec.index"
    choices = ", ".join(f"collection={other}" for other in names)
    if name is None:
        return f"{where} has {len(names)} collections; choose one: {choices}"
    return f"there is no collection {name} in {where}; there are {choices}"
