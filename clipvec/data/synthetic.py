"""Random vectors distributed like a CLIP model's image and text embeddings, at any scale.

Images lie in a cone, in clusters of power-law sizes that are grouped into topics. Within and
between clusters the variance decays across directions, so few of the D dimensions matter. Texts
lie in another cone, as far away as the modality gap of CLIP (arXiv 2203.02053), each aimed between
three clusters, with a different covariance. Their neighbours are far from them and from each other,
which makes text queries the hard case for an index (OOD-DiskANN, arXiv 2211.12850; RoarGraph,
arXiv 2408.08933). docs/synthetic.md has figures.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from clipvec import files
from clipvec.data.ranges import span
from clipvec.vectors import unit

if TYPE_CHECKING:
    from clipvec.config import SyntheticConfig

BLOCK = 4096
"""Rows drawn together, always as a whole, so a vector depends only on the seed and its row."""
BUCKETS = 1000
"""``bucket < n`` matches n thousandths of the rows, independent of their vectors."""
SHAPE: dict[str, float] = {
    "version": 1,
    "clusters_a_topic": 32,
    "topic_share": 0.5,  # of the variance between clusters
    "head": 10,  # clusters and directions before the power laws set in
    "size_decay": 0.75,  # of the clusters' sizes over their rank
    "mean": 1.0,  # lengths, in units of an image's distance from the origin to the cone's axis
    "between": 1.0,
    "within": 0.6,
    "between_decay": 1.2,  # of the variances over the directions
    "within_decay": 3.0,
    "text_mean": 0.9,
    "text_aim": 1.2,
    "text_aims": 3,
    "text_own": 0.8,
    "text_decay": 0.7,
}
"""Everything about the distribution that is not configured; part of the fingerprint."""
_SPACE, _IMAGES, _TEXTS = range(3)
"""Separate random streams, so none depends on how much another has drawn."""


class SyntheticDataset:
    """The rows of a synthetic dataset, cut into shards."""

    def __init__(self, config: SyntheticConfig) -> None:
        self.config = config
        self.attributes = config.attributes
        self.distribution = Distribution(config)
        self._last: tuple[int, np.ndarray, np.ndarray] | None = None

    def identity(self) -> dict[str, str | int | None]:
        """Return everything that the rows depend on."""
        config = self.config
        return {
            "kind": config.kind,
            "rows": config.rows,
            "dim": config.dim,
            "clusters": config.clusters,
            "seed": config.seed,
            "digest": self.distribution.digest(),
        }

    def num_items(self, shard: int, count: int) -> int:
        """Return the number of rows of a shard."""
        return len(self.span(shard, count))

    def span(self, shard: int, count: int) -> range:
        """Return the rows of a shard."""
        return span(shard, count, self.config.rows)

    def read(self, rows: range) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors and buckets of successive rows, float32 [N, D] and int64 [N]."""
        pieces = []
        for block in range(rows.start // BLOCK, -(-rows.stop // BLOCK)):
            inside = slice(max(rows.start - block * BLOCK, 0), rows.stop - block * BLOCK)
            vectors, buckets = self._block(block)
            pieces.append((vectors[inside], buckets[inside]))
        vectors, buckets = zip(*pieces, strict=True)
        return np.concatenate(vectors), np.concatenate(buckets)

    def _block(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Return a block; the last one is cached, since successive batches share it."""
        if self._last is None or self._last[0] != block:
            self._last = (block, *self.distribution.images(block))
        return self._last[1:]


class Distribution:
    """Where the images and texts of one configuration lie."""

    def __init__(self, config: SyntheticConfig) -> None:
        self._config = config

    def digest(self) -> str:
        """Return the SHA-256 of everything that determines the distribution, like weights."""
        config = self._config
        about = {"dim": config.dim, "clusters": config.clusters, "seed": config.seed, **SHAPE}
        return files.digest(about)

    def images(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the vectors of a block of rows and their buckets.

        Args:
            block: of rows ``block * BLOCK`` to ``(block + 1) * BLOCK - 1``.

        Returns:
            float32 [BLOCK, D] of unit length, and int64 [BLOCK] below `BUCKETS`.
        """
        rng = self._rng(_IMAGES, block)
        space = self._space
        clusters = space.clusters(rng.random(BLOCK))
        spread = rng.standard_normal((BLOCK, self._config.dim), np.float32) @ space.within
        buckets = rng.integers(BUCKETS, size=BLOCK)
        return unit(space.mean + space.centres[clusters] + spread), buckets

    def texts(self, count: int, seed: int) -> np.ndarray:
        """Return the vectors of ``count`` texts, float32 [N, D] of unit length."""
        rng = self._rng(_TEXTS, seed)
        space = self._space
        aims = int(SHAPE["text_aims"])
        clusters = space.clusters(rng.random((count, aims)))
        weights = rng.dirichlet(np.ones(aims), count).astype(np.float32)
        aim = np.einsum("na,nad->nd", weights, space.centres[clusters])
        own = rng.standard_normal((count, self._config.dim), np.float32) @ space.text_spread
        return unit(space.text_mean + np.float32(SHAPE["text_aim"]) * aim + own)

    def golden(self) -> tuple[list[float], list[float]]:
        """Return the first image and the first text."""
        return self.images(0)[0][0].tolist(), self.texts(1, 0)[0].tolist()

    def _rng(self, stream: int, number: int = 0) -> np.random.Generator:
        return np.random.default_rng([self._config.seed, stream, number])

    @cached_property
    def _space(self) -> _Space:
        return _Space(self._rng(_SPACE), self._config.dim, self._config.clusters)


class _Space:
    """The cones, the clusters, and the spread around them."""

    def __init__(self, rng: np.random.Generator, dim: int, clusters: int) -> None:
        basis, text_basis = _rotation(rng, dim), _rotation(rng, dim)
        between = _spread(basis, SHAPE["between"], SHAPE["between_decay"])
        self.within = _spread(basis, SHAPE["within"], SHAPE["within_decay"])
        self.text_spread = _spread(text_basis, SHAPE["text_own"], SHAPE["text_decay"])
        means = _rotation(rng, dim)
        self.mean, self.text_mean = SHAPE["mean"] * means[0], SHAPE["text_mean"] * means[1]
        topics = -(-clusters // int(SHAPE["clusters_a_topic"]))
        share = SHAPE["topic_share"]
        places = rng.standard_normal((topics + clusters, dim), np.float32) @ between
        topic = rng.integers(topics, size=clusters)
        self.centres = (share**0.5 * places[topic] + (1 - share) ** 0.5 * places[topics:]).astype(
            np.float32
        )
        sizes = _decay(clusters, SHAPE["size_decay"])
        self._ends = np.cumsum(sizes) / sizes.sum()

    def clusters(self, uniform: np.ndarray) -> np.ndarray:
        """Return clusters, chosen by their sizes, for numbers that are uniform in [0, 1)."""
        return np.minimum(np.searchsorted(self._ends, uniform, "right"), len(self._ends) - 1)


def texts(config: SyntheticConfig, count: int, seed: int) -> np.ndarray:
    """Return ``count`` text queries for a synthetic dataset, float32 [N, D] of unit length.

    They depend on the distribution and on ``seed`` (0 or more), not on the number of rows.
    """
    return Distribution(config).texts(count, seed)


def _rotation(rng: np.random.Generator, dim: int) -> np.ndarray:
    """Return a random orthogonal matrix, so that no axis of the vectors is special."""
    return np.asarray(np.linalg.qr(rng.standard_normal((dim, dim)))[0], np.float32)


def _spread(basis: np.ndarray, length: float, decay: float) -> np.ndarray:
    """Return the map from white noise to noise of mean square ``length`` squared."""
    variances = _decay(len(basis), decay)
    scales = length * np.sqrt(variances / variances.sum())
    return np.asarray(scales[:, None] * basis, np.float32)


def _decay(count: int, power: float) -> np.ndarray:
    """Return a power law over ``count`` ranks, float64 [N]; its first is 1."""
    return np.asarray((1 + np.arange(count) / SHAPE["head"]) ** -power)
