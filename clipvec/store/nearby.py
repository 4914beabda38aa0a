"""What stores there are in a folder on a disk."""

from __future__ import annotations

import difflib
from contextlib import suppress
from typing import TYPE_CHECKING

from clipvec import locations, paths
from clipvec.store.folder import canonical_url

if TYPE_CHECKING:
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
    """Return what stores there are near a place on a disk that has none, as the end of a line.

    Those of the same dataset, or of others, beginning with those spelt most like the one asked for.
    """
    place = locations.local_root(url)
    if place is None:
        return ""
    beside = [*place.parent.glob(f"*/{paths.STORE_JSON}")]
    marks = beside or place.parent.parent.glob(f"*/*/{paths.STORE_JSON}")
    stores = {f"{mark.parent.parent.name}/{mark.parent.name}": mark.parent for mark in marks}
    asked = f"{place.parent.name}/{place.name}"
    nearest = difflib.get_close_matches(asked, sorted(stores), n=_NAMED, cutoff=0)
    if not nearest:
        return ""
    named = ", or ".join(_options(stores[name], place.parent.name) for name in nearest)
    return f"; there is {'one' if len(nearest) == 1 else 'a choice'}: {named}"


def _options(store: Path, dataset: str) -> str:
    """Return the options that name a store to a command that has the name of a dataset."""
    known = (paths.CONF_DIR / "model" / f"{store.name}.yaml").is_file()
    model = f"{'model' if known else 'model.name'}={store.name}"
    return model if store.parent.name == dataset else f"dataset.name={store.parent.name} {model}"
