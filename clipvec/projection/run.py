"""Places all rows of a store on a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import paths
from clipvec.errors import ConfigError, StoreError
from clipvec.progress import Progress, counted
from clipvec.projection import stored
from clipvec.projection.plane import LEAST, tsne
from clipvec.store import EMBEDDING, Rows, compaction, matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clipvec.config import ProjectionConfig
    from clipvec.progress import Task

LANDMARKS = 4096
"""Rows that t-SNE places."""
_NEIGHBOURS = 6
"""Landmarks that any other row lies between."""


@dataclass(frozen=True)
class ProjectionSummary:
    """The result of the command."""

    rows: int
    file: str
    made: bool
    """False: it was there."""

    def __str__(self) -> str:
        """Return one line for the end of a run."""
        return f"{counted(self.rows, 'row')}, {'' if self.made else 'as before, '}in {self.file}"


def run(config: ProjectionConfig) -> ProjectionSummary:
    """Write the projection of all rows of a store, unless it is there.

    t-SNE places `LANDMARKS` rows drawn at random; every other row lies between those most like it.
    Memory is that of the landmarks and of the file, 4 bytes a row and the ids.

    Raises:
        StoreError: there is no store, it cannot be read or written, or clipvec compact takes rows
            out of it, or did since this began.
        ConfigError: it has too few rows, or scikit-learn is not installed.
    """
    rows = Rows.open(config.store_url)
    if len(rows) < LEAST:
        raise ConfigError(
            f"{rows.store.url} has {counted(len(rows), 'row')}, and a projection needs {LEAST}; "
            "embed more images"
        )
    folder = rows.store.folder
    summary = ProjectionSummary(len(rows), folder.path(paths.PROJECTION), made=True)
    before = stored.StoredProjection.read(folder)
    if before is not None and before.rows == rows.digest:
        return ProjectionSummary(len(rows), summary.file, made=False)
    with Progress() as progress:
        task = progress.task("projection", len(rows), "rows")
        made = stored.encode(_pieces(rows, task), rows.digest)
    with compaction.exclusive(rows.store):  # which removes it, as it has ids of deleted rows
        now = {(part.file, part.sha256) for part in rows.store.again().parts()}
        if not now >= {(part.file, part.sha256) for part in rows.parts}:
            raise StoreError(
                f"clipvec compact took rows out of {rows.store.url} after this command began; run "
                "the same command again"
            )
        folder.write(paths.PROJECTION, made)
    return summary


def _pieces(rows: Rows, task: Task) -> Iterator[tuple[str, list[Any], np.ndarray]]:
    """Yield part file, ids and positions of the rows, in their order."""
    landmarks = rows.sample(LANDMARKS, seed=0)
    plane = tsne(landmarks, seed=0)
    for part in rows.parts:
        for piece in rows.store.read(part, ["id", EMBEDDING]):
            yield part.file, piece["id"].to_pylist(), place(matrix(piece), landmarks, plane)
            task.advance(len(piece))


def place(vectors: np.ndarray, landmarks: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Return positions of vectors among landmarks: the mean of those nearest, by their cosine.

    A landmark weighs by the square of what its cosine has more than that of the next one further
    away, so that a position changes little where another landmark becomes one of the nearest.

    Args:
        vectors: float32 [N, D], unit length.
        landmarks: float32 [L, D], unit length.
        plane: float32 [L, 2], their positions.

    Returns:
        float32 [N, 2], within the positions of the landmarks.
    """
    last = len(landmarks) - min(_NEIGHBOURS, len(landmarks) - 1) - 1
    scores = vectors @ landmarks.T
    near = np.argpartition(scores, last, axis=1)[:, last:]
    cosines = np.take_along_axis(scores, near, axis=1)
    weights = np.square(cosines[:, 1:] - cosines[:, :1])
    weights[weights.sum(axis=1) == 0] = 1  # all are equally near
    weights /= weights.sum(axis=1, keepdims=True)
    places: np.ndarray = np.einsum("nk,nkc->nc", weights, plane[near[:, 1:]])
    return places
