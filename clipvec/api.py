"""The Python API, for notebooks and other programs.

Functions that compose a configuration take options like the commands. Positional arguments are
Hydra overrides, as on the command line; keyword arguments set options to Python values:

    clipvec.run_embed("sharding=x1", model="sample", shards=[0, 2], **{"dataset.path": folder})

Every error that a caller can cause is a `ClipvecError`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

import numpy as np

from clipvec import config, index
from clipvec.data import open_regular
from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa
    from PIL.Image import Image

    from clipvec.embed import EmbedSummary
    from clipvec.evaluate import EvaluateSummary, Evaluation
    from clipvec.index import IndexSummary, VectorIndex
    from clipvec.model import Encoder
    from clipvec.recall import RecallSummary, Report
    from clipvec.store import Rows

T = TypeVar("T")
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

    def __init__(self, opened: VectorIndex, model: config.QueryModelConfig) -> None:
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
        thumbnails = _Once(lambda: self._opened.thumbnails(found))
        return [
            Hit(
                **{name: getattr(hit, name) for name in index.Hit.__dataclass_fields__},
                _thumbnail=lambda i=i: thumbnails()[i],  # type: ignore[misc]
            )
            for i, hit in enumerate(found)
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


class StoreReader:
    """The committed rows of a store, in shard order."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @property
    def url(self) -> str:
        """Location of the store: an absolute path, or a URL."""
        return self._rows.store.url

    @property
    def dim(self) -> int:
        """Length of the vectors, D."""
        return self._rows.dim

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<StoreReader {self.url}, {len(self):,} rows, {self.dim} dimensions>"

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows as one Arrow table.

        Args:
            columns: ``id``, ``embedding``, ``uri``, ``caption``, ``width``, ``height``,
                ``thumbnail``, the attributes of the dataset, and what a store needs to follow
                it (``_source``, ``_digest``); None: all of them.

        Raises:
            ConfigError: there is no such column.
            StoreError: a part is missing or damaged.
        """
        import pyarrow as pa

        schema = self._rows.store.schema()
        names = schema.names if columns is None else columns
        if unknown := [name for name in names if name not in schema.names]:
            raise ConfigError(
                f"{self.url} has no column {unknown[0]!r}; it has {', '.join(schema.names)}"
            )
        pieces = [piece for _, piece in self._rows.pieces(names)]
        return pa.Table.from_batches(pieces, pa.schema([schema.field(name) for name in names]))

    def to_numpy(self) -> tuple[np.ndarray, list[str]]:
        """Return the vectors (float32 [N, D], unit length) and the ids of the rows.

        Memory use is that of the result: 4 * D bytes per row, and the ids.

        Raises:
            StoreError: a part is missing or damaged.
        """
        vectors = np.empty((len(self), self.dim), np.float32)
        ids: list[str] = []
        for start, piece in self._rows.pieces(["id", "embedding"]):
            flat = piece["embedding"].flatten().to_numpy()
            vectors[start : start + len(piece)] = flat.reshape(len(piece), self.dim)
            ids += piece["id"].to_pylist()
        return vectors, ids


def open_index(path: str | Path | None = None, **options: object) -> SearchIndex:
    """Open an index built by ``clipvec index``.

    Args:
        path: folder of an embedded index, such as ``data/index``; None: see ``options``.
        options: those of ``clipvec search``, such as ``index="chroma_http"``,
            ``collection="sample--sample"``, ``**{"model.device": "cpu"}``.

    Raises:
        ConfigError: an option is unknown or has a value that is not allowed.
        CollectionError: there is no index, or there are several to choose from.
    """
    if path is not None:
        options["index.path"] = path
    settings = _compose("search", (), options, config.SearchConfig)
    return SearchIndex(index.open_index(settings.index, settings.collection), settings.model)


def open_store(url: str | Path) -> StoreReader:
    """Open a store written by ``clipvec embed``.

    Args:
        url: its folder, ``<store.root>/<dataset>/<model>``, or a URL supported by fsspec.

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    from clipvec.store import Rows

    return StoreReader(Rows.open(str(url)))


def run_embed(*overrides: str, **options: object) -> EmbedSummary:
    """Embed the missing shards of a dataset into a store, as ``clipvec embed`` does.

    Args:
        overrides: as on the command line, such as ``"dataset.limit=100"``.
        options: the same as Python values: ``model="sample", shards=range(4)``.

    Raises:
        ClipvecError: see ``clipvec.errors``; finished work is kept.
    """
    from clipvec.embed import embed_shards

    settings = _compose("embed", overrides, options, config.EmbedConfig)
    _refuse_launcher("embed", settings.launcher)
    return embed_shards(settings)


def run_index(*overrides: str, **options: object) -> IndexSummary:
    """Load a store into an index and verify it, as ``clipvec index`` does.

    Args:
        overrides: as on the command line, such as ``"hnsw=accurate"``.
        options: the same as Python values: ``model="sample", rebuild=True``.

    Raises:
        ClipvecError: see ``clipvec.errors``; loaded rows are kept.
    """
    from clipvec import projection
    from clipvec.index import build_index

    settings = _compose("index", overrides, options, config.IndexCommandConfig)
    _refuse_launcher("index", settings.launcher)
    return build_index(settings, projection.log_projection)


def run_recall(*overrides: str, **options: object) -> RecallSummary:
    """Measure how good indexes are on a store, as ``clipvec recall`` does.

    Args:
        overrides: as on the command line, such as ``"measure=quick"``.
        options: the same as Python values: ``model="sample", target_recall=0.98``.

    Raises:
        ClipvecError: see ``clipvec.errors``; finished measurements are kept.
    """
    from clipvec.recall import apply, benchmark

    settings = _compose("recall", overrides, options, config.RecallConfig)
    _refuse_launcher("recall", settings.launcher)
    summary = benchmark(settings)
    summary.check()
    if settings.apply:
        apply(settings, summary.report)
    return summary


def run_evaluate(*overrides: str, **options: object) -> EvaluateSummary:
    """Evaluate the model of a store on its images, as ``clipvec evaluate`` does.

    Args:
        overrides: as on the command line, such as ``"captions=1000"``.
        options: the same as Python values: ``model="sample", seed=1``.

    Raises:
        ClipvecError: see ``clipvec.errors``.
    """
    from clipvec.evaluate import evaluate

    return evaluate(_compose("evaluate", overrides, options, config.EvaluateConfig))


def load_report(path: str | Path) -> Report:
    """Load a recall report from the folder written by ``run_recall``, or from its ``report.json``.

    Raises:
        ConfigError: there is none, or the file is not a report.
    """
    from clipvec.recall import report

    return report.read(Path(path))


def load_evaluation(path: str | Path) -> Evaluation:
    """Load an evaluation from the folder written by ``run_evaluate``, or from its ``report.json``.

    Raises:
        ConfigError: there is none, or the file is not an evaluation.
    """
    from clipvec.evaluate import report

    return report.read(Path(path))


class _Once:
    """Calls a function at most once."""

    def __init__(self, make: Callable[[], Sequence[bytes | None]]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Sequence[bytes | None]:
        return self._make()

    def __call__(self) -> Sequence[bytes | None]:
        return self._made


def _compose(
    command: str, overrides: Iterable[str], options: Mapping[str, object], schema: type[T]
) -> T:
    config.load_env()
    words = [*overrides, *(config.override(*option) for option in options.items())]
    return config.read_command(command, words, schema)


def _refuse_launcher(command: str, launcher: config.LauncherConfig) -> None:
    if launcher.kind != "local":
        raise ConfigError(
            f"launcher={launcher.kind} starts sweeps, which only commands do: "
            f"clipvec {command} -m launcher={launcher.kind}"
        )


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
            with open_regular(term.expanduser()) as stream:
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
