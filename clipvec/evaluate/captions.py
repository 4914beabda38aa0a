"""Do captions find their images, and images their captions?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipvec.evaluate.draw import Draw
from clipvec.evaluate.ranks import RankCounter, Ranks, none_right, scores
from clipvec.progress import Progress
from clipvec.store import EMBEDDING, matrix
from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clipvec.evaluate.results import Direction
    from clipvec.store import Rows


@dataclass(frozen=True)
class Retrieval:
    """Retrieval in one direction, query by query: in the same order for every model."""

    ranks: Ranks
    right: np.ndarray
    """int64 [Q]: right candidates of each query."""
    candidates: int

    def chance(self, k: int) -> float:
        """Return the recall@k of candidates in random order."""
        return float(1 - none_right(self.right, self.candidates - self.right, k).mean())


def retrieval(
    rows: Rows, captions: Sequence[str], texts: np.ndarray, images: int, seed: int
) -> dict[Direction, Retrieval]:
    """Return how captions find images among all rows, and images captions among ``captions``.

    An image is right for a caption if it has that caption, whoever else has it. Two passes over the
    vectors; memory depends on the number of captions and images, and not on that of the rows.

    Args:
        rows: of the store.
        captions: different captions of the store, C of them.
        texts: float32 [C, D], the same as vectors, unit length.
        images: most images to search with, drawn among those that have one of ``captions``.
        seed: of the drawing.
    """
    right = _Right(captions, texts, images, seed)
    with Progress() as progress:
        task = progress.task("images of captions", len(rows), "rows")
        for _, piece in rows.pieces(["id", "caption", EMBEDDING]):
            vectors = unit(matrix(piece))
            right.add(piece["id"].to_pylist(), piece["caption"].to_pylist(), vectors)
            task.advance(len(piece))
        counter = RankCounter(texts, right.best, right.tied)
        task = progress.task("captions", len(rows), "rows")
        for _, chunk in rows.chunks():
            counter.add(unit(chunk))
            task.advance(len(chunk))
    return {
        "text_to_image": Retrieval(counter.ranks(), right.count, len(rows)),
        "image_to_text": _images_to_texts(texts, *right.drawn()),
    }


def _images_to_texts(texts: np.ndarray, images: np.ndarray, own: np.ndarray) -> Retrieval:
    """Return how images, float32 [Q, D], find their ``own`` of the texts, int64 [Q]."""
    one = np.ones(len(images), np.int64)
    counter = RankCounter(images, scores(images, texts[own]), one)
    counter.add(texts)
    return Retrieval(counter.ranks(), one, len(texts))


class _Right:
    """The images that have each caption: how many, how well the best scores, and some of them."""

    def __init__(self, captions: Sequence[str], texts: np.ndarray, images: int, seed: int) -> None:
        self._numbers = {caption: number for number, caption in enumerate(captions)}
        self._texts = texts
        self._draw: Draw[tuple[int, np.ndarray]] = Draw(images, seed)
        """Captions and vectors."""
        self.count = np.zeros(len(captions), np.int64)
        self.best = np.full(len(captions), -np.inf)
        self.tied = np.zeros(len(captions), np.int64)
        """Images that score like the best."""

    def add(self, ids: Sequence[str], captions: Sequence[str | None], vectors: np.ndarray) -> None:
        """Take rows: their ids, captions and vectors, float32 [N, D]."""
        numbers = np.array([self._numbers.get(each or "", -1) for each in captions], np.int64)
        at = np.flatnonzero(numbers >= 0)
        own = numbers[at]
        found = scores(self._texts[own], vectors[at])
        best = self.best.copy()
        np.maximum.at(best, own, found)
        self.tied[best > self.best] = 0
        self.best = best
        self.tied += np.bincount(own[found == best[own]], minlength=len(best))
        self.count += np.bincount(own, minlength=len(best))
        for place, number in zip(at.tolist(), own.tolist(), strict=True):
            self._draw.add(ids[place], (number, vectors[place].copy()))

    def drawn(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the images that were drawn, float32 [Q, D], and their captions, int64 [Q]."""
        own, vectors = zip(*self._draw.items(), strict=True)
        return np.stack(vectors), np.array(own)
