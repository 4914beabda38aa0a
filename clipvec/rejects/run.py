"""Reads the ledgers of rejects of a store."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from clipvec.errors import one_line
from clipvec.progress import counted
from clipvec.store import BlockedImage, Store, live_rejects

if TYPE_CHECKING:
    from clipvec.config import RejectsConfig
    from clipvec.store import Generation


def rejects(config: RejectsConfig) -> str:
    """Return the rejects of a store, the most frequent reason first.

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    store = Store.open(config.store_url)
    places: dict[str, list[str]] = {}
    generations = {each.number: each for each in store.generations.all()}
    for number, row in live_rejects(store, [*generations.values()]):
        uri = row["uri"]
        if (image := BlockedImage.of(uri, row["error"])) is not None:
            uri = _file(store, generations[number], image.source)
        places.setdefault(row["reason"], []).append(uri)
    lines = [f"{counted(sum(map(len, places.values())), 'reject')} in {store.url}"]
    for reason, uris in sorted(places.items(), key=lambda item: -len(item[1])):
        shown = uris[: config.shown or None]
        lines.append(f"{len(uris):,}  {one_line(reason)}")
        lines += [f"\t{one_line(uri)}" for uri in shown]
        if len(shown) < len(uris):
            lines.append(f"\tand {len(uris) - len(shown):,} more; shown=0 shows all")
    return "\n".join(lines)


@lru_cache
def _names(store: Store, generation: Generation) -> list[bytes]:
    names: list[bytes] = store.generations.plan(generation)["name"].to_pylist()
    return names


def _file(store: Store, generation: Generation, source: int) -> str:
    """Return the file of an image that was deleted forever: the ledger does not name the image."""
    if source < 0 or not generation.plan:
        return "an image"
    return os.fsdecode(_names(store, generation)[source])
