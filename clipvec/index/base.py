"""What every index answers, whatever its backend."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from clipvec import files
from clipvec.config import ModelConfig
from clipvec.errors import ConfigError
from clipvec.store import Fingerprint, Tombstones, thumbnails

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from clipvec.index.facets import Facets
    from clipvec.index.filters import Filter
    from clipvec.store import Store

SCORE_TOLERANCE = 2e-6
"""Error of a cosine that was computed in float32: two copies of one vector score 1 within this."""
PART, ROW = "_part", "_row"
"""Columns that say which row of which part file of the store a row is."""
_COLUMNS = {"id", "uri", "caption", "width", "height", PART, ROW}
SCHEMA = 2
"""Of `IndexInfo` and of the ledger beside it."""
_NONE_DELETED = Tombstones()


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that a query found."""

    id: str
    score: float
    """Cosine, -1 to 1."""
    uri: str
    caption: str | None
    width: int
    height: int
    attributes: dict[str, Any] = field(default_factory=dict)
    part: str = ""
    """Part file of the store that holds the row."""
    row: int = 0
    """Its position in that file."""

    @property
    def key(self) -> str:
        """What tells it from rows of the same id in other parts."""
        return thumbnails.key(self.part, self.id)

    @classmethod
    def of(cls, row: Mapping[str, Any], score: float) -> Hit:
        """Return a hit for the columns of a row, as `IndexWriter.add` gets them, without null."""
        caption = row.get("caption")
        return cls(
            id=str(row["id"]),
            score=clamp(score),
            uri=str(row.get("uri", "")),
            caption=None if caption is None else str(caption),
            width=int(row.get("width", 0)),
            height=int(row.get("height", 0)),
            attributes={key: value for key, value in row.items() if key not in _COLUMNS},
            part=str(row.get(PART, "")),
            row=int(row.get(ROW, 0)),
        )


@dataclass(frozen=True)
class IndexInfo:
    """What an index says of its origin."""

    fingerprint: Fingerprint
    model: dict[str, Any]
    """Name, arch and pretrained of the encoder."""
    store: str
    """Path or URL of the store that it was built from."""
    removed: int
    """Deleted rows whose bytes were in no file of the store when this was begun: it never held
    them."""

    @classmethod
    def of(cls, store: Store) -> IndexInfo:
        """Return what an index of ``store`` says."""
        return cls(store.fingerprint, dict(store.model), store.url, store.tombstones.removed)

    def to_json(self) -> str:
        """Return JSON for `from_json`, with a schema number."""
        return files.to_json(asdict(self), SCHEMA).decode()

    @classmethod
    def from_json(cls, text: str, location: str) -> IndexInfo:
        """Return what `to_json` wrote.

        Args:
            text: the JSON.
            location: of the index, for messages.

        Raises:
            SchemaError: another version of clipvec wrote it.
            ValueError, KeyError, TypeError: clipvec did not write it.
        """
        mend = "rebuild it with clipvec index --rebuild"
        values = files.from_json(text.encode(), SCHEMA, f"the index {location}", mend)
        fingerprint = Fingerprint.from_json(values["fingerprint"])
        return cls(fingerprint, values["model"], values["store"], int(values["removed"]))


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do."""

    exact: bool = False
    """Searches compare every vector; otherwise they may miss neighbours."""
    filters: bool = True
    """Queries accept ``where``."""
    remote: bool = False
    """Another process holds the vectors."""
    mapped: bool = False
    """It answers from the table of its rows itself, see `clipvec.index.rows`."""


@dataclass(frozen=True)
class BuildStats:
    """What it took to build an index from nothing, or a part of it."""

    rows: int
    seconds: float
    """Of all jobs together that shared the work."""
    peak_bytes: int | None
    """Peak memory of the process that took most; None: unknown, a server built it."""


class VectorIndex(Protocol):
    """An open index; close it, or use it as a context.

    Backends subclass it. `count`, `nearest`, `get`, `vectors`, `sample` and `close` are theirs to
    write; the rest follows from those.
    """

    name: str
    location: str
    """Folder or URL, for messages."""
    info: IndexInfo
    capabilities: Capabilities
    rows_folder: Path | None = None
    """Where the table of its rows is, see `clipvec.index.rows`; None: it has none."""

    @property
    def rows_folders(self) -> list[Path]:
        """Where the tables of its rows are: one for each partition."""
        return [] if self.rows_folder is None else [self.rows_folder]

    def check_files(self) -> None:
        """Compare every byte of the backend's own files that opening did not compare.

        Raises:
            CollectionError: one is damaged.
        """
        return

    def count(self) -> int:
        """Return the number of rows."""
        ...

    def nearest(
        self, vectors: np.ndarray, k: int, where: Filter | None = None
    ) -> list[tuple[list[str], list[float]]]:
        """Return the ids and cosines that the index itself finds for each vector, best first.

        Args:
            vectors: float32 [N, D], N >= 1, finite.
            k: at least 1.
            where: which rows are admitted.
        """
        ...

    def get(self, ids: Sequence[str]) -> dict[str, Hit]:
        """Return the rows with these ids, as far as they exist, with a score of 1."""
        ...

    def vectors(self, ids: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the vectors of these ids, as far as they exist, float32 [D] each."""
        ...

    def sample(self, count: int) -> np.ndarray:
        """Return about ``count`` vectors from all over the index, float32 [N, D]."""
        ...

    def close(self) -> None:
        """Release the database or files."""
        ...

    def search(self, vectors: np.ndarray, k: int, where: Filter | None) -> list[list[Hit]]:
        """Return the rows closest to each vector, in any order; arguments as for `nearest`.

        Override it where rows come with the ids, or where `nearest` may return too few.
        """
        return self.with_rows(self.nearest(vectors, k, where))

    def with_rows(self, found: list[tuple[list[str], list[float]]]) -> list[list[Hit]]:
        """Return what `nearest` found with the rows, without ids of which there are none."""
        rows = self.get([*{id: None for ids, _ in found for id in ids}])
        return [
            [
                replace(rows[id], score=score)
                for id, score in zip(ids, scores, strict=True)
                if id in rows
            ]
            for ids, scores in found
        ]

    def query(
        self,
        vector: np.ndarray,
        k: int,
        where: Filter | None = None,
        min_score: float | None = None,
    ) -> list[Hit]:
        """Return the ``k`` rows closest to ``vector``, best first.

        It returns fewer only if no more rows are admitted, or if they score below ``min_score``.

        Args:
            vector: float32 [D], of any length but zero.
            k: at least 1; it may exceed the number of rows.
            where: which rows are admitted.
            min_score: lowest cosine, up to `SCORE_TOLERANCE`.

        Raises:
            CollectionError: the backend does not answer.
            ConfigError: the vector or the filter does not fit this index.
        """
        return self.query_many(vector[None], k, where, min_score)[0]

    def query_many(
        self,
        vectors: np.ndarray,
        k: int,
        where: Filter | None = None,
        min_score: float | None = None,
    ) -> list[list[Hit]]:
        """Return what `query` returns for each of ``vectors``, float32 [N, D]."""
        if vectors.shape[1:] != (self.dim,) or not np.isfinite(vectors).all() or k < 1:
            raise ConfigError(
                f"{self.name} takes k of at least 1 and finite vectors of {self.dim} numbers, "
                f"not k={k} and {list(vectors.shape)}"
            )
        if where is not None and not self.capabilities.filters:
            raise ConfigError(f"where {where}: the index {self.location} cannot filter")
        least = -np.inf if min_score is None else min_score - SCORE_TOLERANCE
        found = self.search(vectors, k, where) if len(vectors) else []
        return [
            sorted((h for h in hits if h.score >= least), key=lambda h: (-h.score, h.id))[:k]
            for hits in found
        ]

    def facets(
        self, keys: Sequence[str], where: Filter | None = None, known: Tombstones | None = None
    ) -> Facets | None:
        """Return how many rows a filter admits, and how often values occur among them.

        None: the index cannot tell, as one without a table of its rows.

        Args:
            keys: attributes whose values are counted.
            where: which rows are admitted; None: all.
            known: deleted rows, which are left out.
        """
        return None

    def tombstones(self) -> Tombstones:
        """Return the deleted rows that answers leave out; one object while they are the same."""
        return _NONE_DELETED

    def lost_deletions(self) -> bool:
        """Return whether there are deletions that cannot be read, whose rows answers may have."""
        return False

    def answers(self, vector: np.ndarray) -> bool:
        """Return whether the index finds a row near ``vector``, float32 [D], if it holds any."""
        return bool(self.nearest(vector[None], 1)[0][0]) or not self.count()

    def thumbnails(self, hits: Sequence[Hit], spare: int = 0) -> dict[str, bytes | None]:
        """Return the JPEG thumbnails of ``hits`` by their keys, as far as the store has them.

        Args:
            hits: rows of this index.
            spare: bytes of thumbnails that may be kept of other rows, deleted ones too, which are
                read along.
        """
        places = [(hit.part, hit.row, hit.id) for hit in hits]
        return thumbnails.read(self.info.store, places, spare)

    @property
    def fingerprint(self) -> Fingerprint:
        """What made the vectors."""
        return self.info.fingerprint

    @property
    def model_config(self) -> ModelConfig:
        """The encoder that made the vectors."""
        return ModelConfig.of_store(self.info.model)

    @property
    def attributes(self) -> dict[str, str]:
        """The dataset's attributes and their types."""
        return self.fingerprint.attributes

    @property
    def dim(self) -> int:
        """Length of the vectors, D."""
        return self.fingerprint.model.dim

    @property
    def settings(self) -> Mapping[str, Any]:
        """Build and search settings, in the backend's own words."""
        return {}

    def set_search_settings(self, settings: Mapping[str, Any]) -> None:
        """Change search settings for processes that open the index from now on.

        Raises:
            ConfigError: the backend has no such setting.
        """
        raise ConfigError(f"the index {self.location} has no search settings")

    @property
    def expected_rows(self) -> int | None:
        """Rows that a first loading, not finished yet, will bring; None: it is finished."""
        return None

    @property
    def build_id(self) -> str:
        """A different text for every build."""
        return ""

    @property
    def build_stats(self) -> BuildStats | None:
        """What the build took; None: unknown, or not built from nothing."""
        return None

    def __enter__(self) -> Self:
        """Return the index."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def clamp(score: float | np.floating[Any]) -> float:
    """Return a cosine within -1 to 1, which rounding left by a little."""
    return min(1.0, max(-1.0, float(score)))


def is_missing(value: object) -> bool:
    """Return whether a row has no such value: null, or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))
