"""Searches from Python."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from clipvec import index
from clipvec.errors import ConfigError
from clipvec.files import open_regular
from clipvec.locations import expanded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PIL.Image import Image

    from clipvec.config import QueryModelConfig
    from clipvec.index import VectorIndex
    from clipvec.model import Encoder

Term: TypeAlias = "str | Path | bytes | Image | np.ndarray"
"""A text; an image as a path, as the bytes of an image file, or as a PIL image; or a vector."""
_MODES = {"L", "LA", "P", "RGB", "RGBA"}
"""PIL modes that PNG stores without losing anything clipvec reads."""


@dataclass(frozen=True, slots=True)
class Hit(index.Hit):
    """A search result."""

    _thumbnail: Callable[[], bytes | None] = field(repr=False, compare=False, kw_only=True)

    @property
    def image(self) -> Image | None:
        """The thumbnail as a PIL image; None if the store has none.

        The first access reads the thumbnails of all hits of the search.
        """
        from PIL import Image

        thumbnail = self._thumbnail()
        return None if thumbnail is None else Image.open(io.BytesIO(thumbnail))


class SearchIndex:
    """An index and the encoder that made it; close it, or use it as a context manager.

    The encoder is loaded by the first query that is not a vector.
    """

    def __init__(self, opened: VectorIndex, model: QueryModelConfig) -> None:
        self._opened = opened
        self._model = model

    @property
    def name(self) -> str:
        """``<dataset>--<model>``."""
        return self._opened.name

    @property
    def dim(self) -> int:
        """Length of the vectors, D."""
        return self._opened.dim

    @property
    def attributes(self) -> dict[str, str]:
        """Attributes of the dataset, for ``where``, with their types."""
        return dict(self._opened.attributes)

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._opened.count()

    def __repr__(self) -> str:
        return f"<SearchIndex {self.name}, {len(self):,} rows, {self.dim} dimensions>"

    def search(
        self,
        query: Term | tuple[Term, float] | Sequence[Term | tuple[Term, float]],
        k: int = 10,
        *,
        where: str | Sequence[str] = (),
        min_score: float | None = None,
    ) -> list[Hit]:
        """Return the rows closest to a query, best first.

        Args:
            query: a text, an image (path, bytes, PIL image) or a vector (float [D]), or a list of
                them; a pair of a term and a number sets its weight, negative to subtract it:
                ``["a red bird", (Path("branch.jpg"), 0.5), ("a person", -1)]``.
            k: number of hits, at least 1; fewer are returned if fewer rows match.
            where: filters that must all hold, such as ``"width>=200"`` or ``"category=animals"``.
            min_score: lowest cosine.

        Raises:
            ConfigError: the query or a filter is invalid for this index.
            FingerprintError: the encoder is not the one that made the index.
            ModelError: the encoder cannot be loaded.
        """
        filters = [where] if isinstance(where, str) else where
        found = self._opened.query(
            self._vector(query if isinstance(query, list) else [query]),
            k,
            index.filters.parse(filters, self._opened.attributes),
            min_score,
        )
        thumbnails = cache(lambda: self._opened.thumbnails(found))
        return [
            Hit(
                **{name: getattr(hit, name) for name in index.Hit.__dataclass_fields__},
                _thumbnail=lambda key=hit.key: thumbnails().get(key),  # type: ignore[misc]
            )
            for hit in found
        ]

    def close(self) -> None:
        """Close the database."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def _encoder(self) -> Encoder:
        from clipvec.model import load_checked

        opened = self._opened
        return load_checked(
            opened.fingerprint.model,
            self._model.over(opened.model_config),
            f"the collection {opened.location}",
        )

    def _vector(self, query: Sequence[Any]) -> np.ndarray:
        """Return the weighted sum of the terms as a unit vector, float32 [D]."""
        pairs = [term if isinstance(term, tuple) else (term, 1.0) for term in query]
        if not pairs:
            raise ConfigError("the query is empty; give a text, an image or a vector")
        vectors = np.stack([self._encode(term) for term, _ in pairs])
        return index.combine(vectors, [weight for _, weight in pairs])

    def _encode(self, term: Term) -> np.ndarray:
        """Return one term as a unit vector, float32 [D]."""
        if isinstance(term, np.ndarray):
            return _unit(term, self.dim)
        if isinstance(term, str):
            return index.query_vector([index.Term(term)], self._encoder)
        name = str(term) if isinstance(term, Path) else "in the query"
        return index.query_vector([index.Term(name, image=_image_bytes(term))], self._encoder)


def _unit(vector: np.ndarray, dim: int) -> np.ndarray:
    """Return a query vector scaled to unit length, float32 [D]."""
    numbers = np.asarray(vector, np.float64)
    norm = float(np.linalg.norm(numbers)) if numbers.shape == (dim,) else 0.0
    if not 0 < norm < np.inf:
        raise ConfigError(
            f"a query vector of shape {list(numbers.shape)}, length {norm:g}: this index takes "
            f"finite vectors of {dim} numbers that are not all zero"
        )
    return (numbers / norm).astype(np.float32)


def _image_bytes(term: Path | bytes | Image) -> bytes:
    """Return a query image as the bytes of a file.

    Raises:
        ConfigError: it is not an image, or cannot be read.
    """
    from PIL import Image, ImageOps

    if isinstance(term, bytes):
        return term
    if isinstance(term, Path):
        try:
            with open_regular(expanded(term)) as stream:
                return stream.read()
        except OSError as error:
            raise ConfigError(f"image {str(term)!r} cannot be used: {error.strerror}") from error
    if not isinstance(term, Image.Image):
        raise ConfigError(
            f"a query of type {type(term).__name__}; give a text, a pathlib.Path, bytes or a PIL "
            "image of an image, or a NumPy vector"
        )
    upright = ImageOps.exif_transpose(term)
    buffer = io.BytesIO()
    (upright if upright.mode in _MODES else upright.convert("RGB")).save(buffer, "PNG")
    return buffer.getvalue()
