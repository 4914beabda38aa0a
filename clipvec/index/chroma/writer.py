"""A collection that is being loaded: made or found, checked, filled, with its ledger."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from clipvec.errors import CollectionError, FingerprintError
from clipvec.index.chroma.client import MARK, chroma_errors, close
from clipvec.index.chroma.collection import Collection
from clipvec.index.chroma.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from chromadb.api.collection_configuration import CreateHNSWConfiguration

    from clipvec.config import HnswConfig
    from clipvec.index.chroma.client import Place
    from clipvec.index.chroma.ledger import Entry
    from clipvec.store import Part, Store

_FIXED = ("space", "max_neighbors", "ef_construction")
"""HNSW settings that a collection keeps for life."""
_DELETE_PARTS = 100
"""Part files whose rows one request deletes."""
_BUILT = f"{MARK}_built"
"""Metadata key of what the build took."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """What it took to load a collection, where one run loaded it all."""

    rows: int
    seconds: float
    peak_bytes: int | None
    """Most memory of the process; None: it was a server's."""

    @classmethod
    def of(cls, collection: Collection) -> Built | None:
        """Return what a collection says of its build; None: several runs loaded it."""
        found = (collection._rows.metadata or {}).get(_BUILT)
        return cls(**json.loads(str(found))) if found else None


def doubled(id: str, one: str, other: str) -> str:
    """Return the line for an id that two part files have, or one of them twice."""
    return (
        f"the id {id} is in {one} and in {other}; embed again with ids that are unique in the "
        "dataset: another column as dataset.id, or none"
    )


class LoadingCollection(Collection):
    """A collection with what is needed to load it."""

    @classmethod
    def ensure(cls, place: Place, name: str, store: Store, hnsw: HnswConfig) -> LoadingCollection:
        """Return the collection of ``store``, made if there is none.

        Raises:
            CollectionError: it was made by something else, or with other HNSW settings.
            FingerprintError: it holds vectors of another making.
        """
        about = {
            "fingerprint": store.fingerprint.to_json(),
            "model": store.model,
            "store": store.url,
        }
        wanted: CreateHNSWConfiguration = {
            "space": "cosine",
            "max_neighbors": hnsw.max_neighbors,
            "ef_construction": hnsw.ef_construction,
            "ef_search": hnsw.ef_search,
        }
        client = place.connect(name)
        try:
            with chroma_errors(place.where(name)):
                rows = client.get_or_create_collection(
                    place.inner(name),
                    metadata={MARK: json.dumps(about)},
                    configuration={"hnsw": wanted},
                    embedding_function=None,
                )
            collection = cls(client, rows, name, place.where(name))
            collection._check_made_of(store)
            collection._check_hnsw(dict(wanted))
            return collection
        except BaseException:
            close(client)
            raise

    def held(self) -> dict[str, Entry]:
        """Return the ledger: the part files that the collection holds, or began to."""
        with chroma_errors(self.where):
            return Ledger(self._client, self._rows.id).read()

    @property
    def batch_limit(self) -> int:
        """Rows that one request may add."""
        with chroma_errors(self.where):
            return self._client.get_max_batch_size()

    @contextlib.contextmanager
    def loading(self, parts: Sequence[Part]) -> Iterator[None]:
        """Keep the ledger while the rows of ``parts`` are added."""
        with chroma_errors(self.where):
            ledger = Ledger(self._client, self._rows.id)
            ledger.mark(parts, "loading")
        yield
        with chroma_errors(self.where):
            ledger.mark(parts, "loaded")

    def add(
        self, ids: list[str], vectors: np.ndarray, metadatas: Sequence[Mapping[str, Any]]
    ) -> None:
        """Add rows.

        Raises:
            CollectionError: an id comes twice, or is there already; none of the rows are added.
        """
        self._check_new(ids, metadatas)
        with chroma_errors(self.where):
            self._rows.add(ids=ids, embeddings=vectors, metadatas=list(metadatas))

    def _check_new(self, ids: Sequence[str], metadatas: Sequence[Mapping[str, Any]]) -> None:
        """Refuse doubled ids: Chroma passes over those that are there without a word.

        Asking for the ids takes as long however many rows there are, unlike counting.
        """
        parts: dict[str, str] = {}
        for id, part in zip(ids, (str(values["_part"]) for values in metadatas), strict=True):
            if id in parts:
                raise CollectionError(f"{self.where}: {doubled(id, parts[id], part)}")
            parts[id] = part
        if there := list(self.get(ids).values()):
            hit = there[0]
            raise CollectionError(f"{self.where}: {doubled(hit.id, hit.part, parts[hit.id])}")

    def note(self, built: Built | None) -> None:
        """Say in the collection what its build took, or that no one run built it."""
        known = {k: v for k, v in (self._rows.metadata or {}).items() if k != _BUILT}
        told = {} if built is None else {_BUILT: json.dumps(asdict(built))}
        if built != Built.of(self):
            with chroma_errors(self.where):
                self._rows.modify(metadata={**known, **told})

    def drop_parts(self, files: Sequence[str]) -> None:
        """Delete the rows of part files, then their entries in the ledger."""
        with chroma_errors(self.where):
            ledger = Ledger(self._client, self._rows.id)
            for start in range(0, len(files), _DELETE_PARTS):
                some = list(files[start : start + _DELETE_PARTS])
                self._rows.delete(where={"_part": {"$in": some}})  # type: ignore[dict-item]
                ledger.forget(some)

    def _check_made_of(self, store: Store) -> None:
        mine, theirs = self.fingerprint, store.fingerprint
        here, there = f"the collection {self.where}", f"the store {store.url}"
        try:
            mine.check_data(theirs.to_json(), here)
            mine.model.check(theirs.model, here, there)
        except FingerprintError as error:
            raise FingerprintError(
                f"{error}; to replace the collection by one of this store, index with --rebuild"
            ) from error

    def _check_hnsw(self, wanted: dict[str, Any]) -> None:
        have = self.hnsw
        for key in _FIXED:
            if have.get(key) != wanted[key]:
                group = "" if key == "space" else "hnsw."
                raise CollectionError(
                    f"{self.where} was built with {group}{key}={have.get(key)}, not "
                    f"{wanted[key]}, which cannot be changed; use --rebuild to build it anew"
                )
        before, now = have.get("ef_search"), wanted["ef_search"]
        if before != now:
            log.info("%s: ef_search: %s → %s, as hnsw.ef_search says", self.name, before, now)
            self.set_ef_search(now)
