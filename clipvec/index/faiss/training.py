"""Training of an inverted file: spherical k-means on a sample of the rows, then its codes.

NumPy's k-means is several times as fast as that of the FAISS wheel on a few cores, and tells how
far it is.
"""

from __future__ import annotations

import contextlib
import logging
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.errors import SchemaError
from clipvec.files import (
    digest,
    from_json,
    read_regular,
    size_and_sha256,
    to_json,
    write_atomically,
)
from clipvec.index.base import BuildStats
from clipvec.index.faiss.factory import empty_index, inverted, lists_of
from clipvec.index.faiss.library import faiss_errors, library
from clipvec.index.faiss.lists import write_trained
from clipvec.machine import peak_bytes
from clipvec.progress import Progress
from clipvec.store import Rows
from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.paths import FaissEncodedPaths
    from clipvec.store import LivePart, Store

ROWS_A_LIST = 40
"""FAISS warns below 39."""
LEAST_ROWS = 10_240
"""40 rows for each of the 256 centroids of a product quantiser."""
ROUNDS = 10
_SCHEMA = 2
_SCORES = 2**24
"""Cosines that are held at once, 64 MB."""
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """What an index is trained with, so that the next command can tell whether it is done."""

    factory: str
    info: str
    """`IndexInfo.to_json` of the store."""
    seed: int = 0
    """Of the sample, and of k-means."""
    replaces: str = ""
    """The build in whose place another is to be built from nothing; empty: none."""

    @property
    def name(self) -> str:
        """Name of the folder of what is encoded by it, which no other training has."""
        return digest(asdict(self))[:32]

    def ensure(
        self, files: FaissEncodedPaths, store: Store, parts: Sequence[LivePart]
    ) -> BuildStats:
        """Train with a sample of ``parts``, and keep the result, unless it is there.

        Returns:
            What the training took.

        Raises:
            ConfigError: FAISS refuses the factory string.
            StoreError: a part cannot be read.
            OSError: the result cannot be written.
        """
        if (known := self._known(files)) is not None:
            return known
        started = time.monotonic()
        rows = Rows(store, parts)
        sample = rows.sample(sample_rows(self.factory), self.seed)
        log.info(
            "%s for %s rows x %d: training with %s of them",
            *(self.factory, f"{len(rows):,}", rows.dim, f"{len(sample):,}"),
        )
        write_trained(files.trained, train(self.factory, unit(sample), self.seed))
        stats = BuildStats(len(sample), time.monotonic() - started, peak_bytes())
        about = self._about(files) | {"stats": asdict(stats)}
        write_atomically(files.training, to_json(about, _SCHEMA))
        return stats

    def _known(self, files: FaissEncodedPaths) -> BuildStats | None:
        """Return what this training took; None: its result is not there."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, SchemaError):
            about = from_json(read_regular(files.training), _SCHEMA, files.training, "")
            stats = BuildStats(**about.pop("stats"))
            return stats if about == self._about(files) else None
        return None

    def _about(self, files: FaissEncodedPaths) -> dict[str, Any]:
        return {**asdict(self), "sha256": size_and_sha256(files.trained)[1]}


def sample_rows(factory: str) -> int:
    """Return the number of rows to train with."""
    return max(ROWS_A_LIST * lists_of(factory), LEAST_ROWS)


def train(factory: str, vectors: np.ndarray, seed: int) -> Any:
    """Return a trained index without rows.

    Args:
        factory: its string.
        vectors: float32 [N, D], N >= the number of lists.
        seed: of the first centroids.

    Raises:
        ConfigError: FAISS refuses the string, or cannot train it with these rows.
    """
    faiss = library()
    index = empty_index(factory, vectors.shape[1])
    with faiss_errors(f"index.factory={factory}, trained with {len(vectors):,} rows"):
        if not isinstance(index, faiss.IndexPreTransform):
            inner = inverted(index)
            found = centroids(vectors, inner.nlist, seed)
            inner.quantizer.train(found)
            inner.quantizer.add(found)
        with _one_thread():
            index.train(vectors)
    return index


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Give FAISS one thread: with more, what a product quantiser learns depends on their number."""
    faiss = library()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def centroids(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the centroids of spherical k-means, float32 [count, D], unit length.

    A list that ran empty starts again at a row drawn at random.
    """
    rng = np.random.default_rng(seed)
    found = unit(vectors[rng.choice(len(vectors), count, replace=False)])
    with Progress() as progress:
        task = progress.task("k-means", ROUNDS, "rounds")
        for _ in range(ROUNDS):
            assigned = assign(vectors, found)
            order = np.argsort(assigned, kind="stable")
            ends = np.cumsum(np.bincount(assigned, minlength=count))
            for number, rows in enumerate(np.split(order, ends[:-1])):
                some = rows if len(rows) else rng.integers(len(vectors), size=1)
                found[number] = vectors[some].sum(axis=0)
            found = unit(found)
            task.advance()
    return found


def assign(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the number of the centroid of the largest inner product, int64 [N]."""
    block = max(64, _SCORES // len(centres))
    found = np.empty(len(vectors), np.int64)
    for start in range(0, len(vectors), block):
        scores = vectors[start : start + block] @ centres.T
        found[start : start + block] = scores.argmax(axis=1)
    return found


class Encoder:
    """Turns vectors into the numbers of their lists and their codes.

    The same rows in the same blocks give the same codes; NumPy and FAISS may round differently in
    blocks of another size.
    """

    def __init__(self, index: Any) -> None:
        faiss = library()
        self._index, self._inner = index, inverted(index)
        self.code_size = int(self._inner.code_size)
        quantizer = faiss.downcast_index(self._inner.quantizer)
        self._centres = None
        if isinstance(quantizer, faiss.IndexFlat):
            self._centres = quantizer.reconstruct_n(0, self._inner.nlist)
        self.dtype = np.dtype([("list", "<u4"), ("code", "u1", self.code_size)])
        """Of one row."""

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """Return lists and codes, `dtype` [N], of vectors, float32 [N, D]."""
        faiss = library()
        with faiss_errors("encoding"):
            given = np.ascontiguousarray(unit(vectors), np.float32)
            if isinstance(self._index, faiss.IndexPreTransform):
                for number in range(self._index.chain.size()):
                    step = faiss.downcast_VectorTransform(self._index.chain.at(number))
                    given = step.apply(given)
            if self._centres is None:
                lists = self._inner.quantizer.assign(given, 1).ravel()
            else:
                lists = assign(given, self._centres)
            codes = np.empty((len(given), self.code_size), np.uint8)
            pointers = map(faiss.swig_ptr, (given, lists, codes))
            self._inner.encode_vectors(len(given), *pointers, False)
        encoded = np.empty(len(given), self.dtype)
        encoded["list"], encoded["code"] = lists, codes
        return encoded
