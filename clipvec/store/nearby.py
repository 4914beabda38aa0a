"""What stores there are in a folder on a disk."""

from __future__ import annotations

import difflib
from contextlib import suppress
from typing import TYPE_CHECKING

from clipvec import locations, paths
from clipvec.store.folder import canonical_url

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NAMED = 5
"""Stores that a message names."""


def stores_of(root: str, dataset: str) -> list[Path]:
    """Return the folders of a dataset's stores, the one that changed last first.

    Each is called as its model. There are none where ``root`` is not on a disk.
    """
    place = locations.local_root(canonical_url(root))
    found = [] if place is None else (place / dataset).glob(f"*/{paths.STORE_JSON}")
    return sorted((file.parent for file in found), key=_changed, reverse=True)


def _changed(store: Path) -> float:
    """Return when a store was begun or grew, in seconds."""
    marks = [*store.glob(paths.STORE_JSON), *store.glob(f"{paths.GENERATIONS}/*.json")]
    times = [0.0]
    for mark in marks:
        with suppress(FileNotFoundError):  # joined with others meanwhile
            times.append(mark.stat().st_mtime)
    return max(times)


def stores_near(url: str) -> str:
    """Return what stores there are near a place on a disk that has none, as the end of a line."""
    place = locations.local_root(url)
    if place is None:
        return ""
    models = {file.parent.name for file in place.parent.glob(f"*/{paths.STORE_JSON}")}
    if models:
        return _nearest("by", "model", place.name, models)
    below = place.parent.parent.glob(f"*/*/{paths.STORE_JSON}")
    datasets = {file.parent.parent.name for file in below}
    if datasets:
        return _nearest("of", "dataset.name", place.parent.name, datasets)
    return ""


def _nearest(by: str, option: str, name: str, names: Iterable[str]) -> str:
    """Return that there are stores of some names, beginning with those spelt most like one."""
    *others, last = difflib.get_close_matches(name, sorted(names), n=_NAMED, cutoff=0)
    if not others:
        return f"; there is one {by} {last}, {option}=... names it"
    return f"; there are stores {by} {', '.join(others)} and {last}, {option}=... names one"
