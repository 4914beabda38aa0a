"""Images classified by texts, by their neighbours, and by a linear probe.

Each function returns the numbers of the predicted classes, int64 [Q], of Q images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clipvec.exact_search import TopK
from clipvec.progress import Progress
from clipvec.vectors import unit

if TYPE_CHECKING:
    from clipvec.evaluate.labels import Labels
    from clipvec.store import Rows

FOLDS = 5
_PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001)
"""Penalties to choose from, times the mean eigenvalue; the first of equally good ones."""
_QUERIES = 1024
"""Images whose votes are held at once."""


def zero_shot(images: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Return the class whose texts are nearest (Radford et al., arXiv 2103.00020).

    Args:
        images: float32 [Q, D], unit length.
        texts: float32 [C, T, D], the vectors of the T texts of each class; their mean counts.
    """
    classes = unit(texts.mean(axis=1))
    nearest: np.ndarray = (images @ classes.T).argmax(axis=1)
    return nearest


def nearest_neighbours(rows: Rows, labels: Labels, images: np.ndarray, k: int) -> np.ndarray:
    """Return the class of most of the ``k`` nearest other images; of equals, that of the nearest.

    Args:
        rows: of the store; all that have a class are searched.
        labels: of the rows.
        images: float32 [Q, D], the vectors of the rows that were drawn.
        k: number of neighbours.
    """
    top = TopK(images, k, labels.drawn)
    with Progress() as progress:
        task = progress.task("neighbours", labels.count, "rows")
        for numbers, vectors in labels.chunks(rows):
            top.add(numbers, vectors)
            task.advance(len(numbers))
    found, _ = top.neighbours()
    classes = np.where(found >= 0, labels.of_rows[found], -1)
    # One vote each, and less than one to tell equals apart: the nearest outweighs all behind it.
    votes = 1 + 0.5 ** np.arange(1, k + 1)
    return np.concatenate(
        [
            _most_votes(classes[first : first + _QUERIES], votes, len(labels.classes))
            for first in range(0, len(classes), _QUERIES)
        ]
    )


def _most_votes(classes: np.ndarray, votes: np.ndarray, count: int) -> np.ndarray:
    """Return the class of most votes of each row of ``classes``, int [Q, K]; -1 has no vote."""
    total = np.zeros((len(classes), count))
    images, at = np.nonzero(classes >= 0)
    np.add.at(total, (images, classes[images, at]), votes[at])
    most: np.ndarray = total.argmax(axis=1)
    return most


def linear_probe(images: np.ndarray, classes: np.ndarray, count: int) -> np.ndarray:
    """Return what a linear classifier says of images that it was not trained on.

    It is regularised least squares on classes as 0 and 1 (Rifkin, Yeo and Poggio, 2003), trained
    on four fifths of each class and asked about the rest, five times. The penalty is the one of the
    highest leave-one-out accuracy within the four fifths, which has a closed form.

    Args:
        images: float32 [Q, D], unit length.
        classes: int [Q], the number of the class of each.
        count: number of classes, C.
    """
    folds = np.empty(len(images), np.int64)
    folds[np.argsort(classes, kind="stable")] = np.arange(len(images)) % FOLDS
    predicted = np.zeros(len(images), np.int64)
    for fold in range(FOLDS):
        rest, asked = folds != fold, folds == fold
        if asked.any() and rest.any():
            weights, bias = _fit(images[rest], classes[rest], count)
            predicted[asked] = (images[asked] @ weights + bias).argmax(axis=1)
    return predicted


def _fit(images: np.ndarray, classes: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights, float64 [D, C], and the bias, float64 [C]."""
    x, y = images.astype(np.float64), np.zeros((len(classes), count))
    y[np.arange(len(classes)), classes] = 1
    centre, share = x.mean(axis=0), y.mean(axis=0)
    x, y = x - centre, y - share
    values, basis = np.linalg.eigh(x.T @ x)
    values = np.maximum(values, 0)
    projected = x @ basis
    targets = projected.T @ y
    best, chosen = -1.0, 0.0
    for penalty in np.array(_PENALTIES) * values.mean():
        shrunk = 1 / (values + penalty)
        leverage = 1 / len(x) + (projected**2) @ shrunk
        errors = (y - projected @ (shrunk[:, None] * targets)) / (1 - leverage)[:, None]
        accuracy = float(((y - errors + share).argmax(axis=1) == classes).mean())
        if accuracy > best:
            best, chosen = accuracy, float(penalty)
    weights = basis @ (targets / (values + chosen)[:, None])
    return weights, share - centre @ weights
