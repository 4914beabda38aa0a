"""The classes of a store's images: the values of one of its attributes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipvec.config import class_name
from clipvec.errors import ConfigError
from clipvec.evaluate.draw import Draw, drawn_vectors
from clipvec.progress import counted
from clipvec.vectors import unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clipvec.store import Rows

log = logging.getLogger(__name__)

_TYPES = ("string", "int", "bool")


@dataclass(frozen=True)
class Labels:
    """The class of every row, and the rows that are classified."""

    classes: list[str]
    """Values of the attribute, sorted."""
    of_rows: np.ndarray
    """int32 [N]: the number of each row's class; -1: it has none."""
    drawn: np.ndarray
    """int64 [Q]: rows that were drawn, in an order that depends on their ids alone."""

    @property
    def count(self) -> int:
        """Rows that have a class."""
        return int((self.of_rows >= 0).sum())

    @property
    def of_drawn(self) -> np.ndarray:
        """int32 [Q]: the number of the class of each row that was drawn."""
        drawn: np.ndarray = self.of_rows[self.drawn]
        return drawn

    def vectors(self, rows: Rows) -> np.ndarray:
        """Return the vectors of the rows that were drawn, float32 [Q, D], unit length."""
        return drawn_vectors(rows, self.drawn)

    def chunks(self, rows: Rows) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the numbers and the vectors, unit length, of the rows that have a class."""
        for first, vectors in rows.chunks():
            numbers = np.flatnonzero(self.of_rows[first : first + len(vectors)] >= 0)
            yield numbers + first, unit(vectors[numbers])


def read_labels(rows: Rows, label: str, count: int, seed: int) -> Labels:
    """Return the classes of all rows and ``count`` rows of them, drawn at random.

    This takes 4 bytes a row.

    Raises:
        ConfigError: the store has no such attribute, or its values are no classes.
    """
    check_label(rows, label)
    numbers: dict[str, int] = {}
    of_rows = np.full(len(rows), -1, np.int32)
    draw: Draw[int] = Draw(count, seed)
    empty = 0
    for start, piece in rows.pieces(["id", label]):
        ids, values = piece["id"].to_pylist(), piece[label].to_pylist()
        for row, (id, value) in enumerate(zip(ids, values, strict=True), start):
            empty += value == ""
            if value in {None, ""}:
                continue
            of_rows[row] = numbers.setdefault(class_name(value), len(numbers))
            draw.add(id, row)
    if empty:
        images, where = counted(empty, "image"), rows.store.url
        log.warning("label=%s: %s of %s of no class, their value is empty", label, images, where)
    drawn = np.array(draw.items(), np.int64)
    _check_classes(rows, label, list(numbers), of_rows)
    if 2 * len(numbers) > len(drawn):
        raise ConfigError(
            f"label={label}: {len(numbers):,} classes for {len(drawn):,} images to classify; each "
            "needs two on average: raise images, or name an attribute that more images share"
        )
    classes = sorted(numbers)
    renumbered = np.array([*np.argsort([numbers[name] for name in classes]), -1], np.int32)
    return Labels(classes, renumbered[of_rows], drawn)


def check_label(rows: Rows, label: str) -> None:
    """Refuse what is not an attribute of classes.

    Raises:
        ConfigError: with those that there are.
    """
    known = rows.store.fingerprint.attributes
    there = classes_of(known) or "none that could be classes; embed with dataset.attributes"
    if label not in known:
        raise ConfigError(f"label={label}: {rows.store.url} has no such attribute; it has {there}")
    if known[label] not in _TYPES:
        raise ConfigError(
            f"label={label}: its values are of type {known[label]}, which are no classes; "
            f"{rows.store.url} has {there}"
        )


def classes_of(attributes: dict[str, str]) -> str:
    """Return the attributes that may be labels, with their types, as a list in words."""
    return ", ".join(f"{name} ({kind})" for name, kind in attributes.items() if kind in _TYPES)


def _check_classes(rows: Rows, label: str, classes: Sequence[str], of_rows: np.ndarray) -> None:
    """Refuse fewer than two classes, and classes of one image each."""
    if not classes:
        raise ConfigError(f"label={label}: no image of {rows.store.url} has one")
    if len(classes) == 1:
        raise ConfigError(
            f"label={label}: all images of {rows.store.url} that have one have the same, "
            f"{classes[0]!r}; two classes are needed"
        )
    if len(classes) == (of_rows >= 0).sum():
        raise ConfigError(
            f"label={label}: each of {len(classes):,} images of {rows.store.url} has one of its "
            "own; name an attribute that images share"
        )
