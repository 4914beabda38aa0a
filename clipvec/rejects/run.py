"""Reads the ledgers of rejects of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec.errors import one_line
from clipvec.progress import counted
from clipvec.store import Store, live_rejects

if TYPE_CHECKING:
    from clipvec.config import RejectsConfig


def rejects(config: RejectsConfig) -> str:
    """Return the rejects of a store, the most frequent reason first.

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    store = Store.open(config.store_url)
    places: dict[str, list[str]] = {}
    for _, row in live_rejects(store, store.generations.all()):
        places.setdefault(row["reason"], []).append(row["uri"])
    lines = [f"{counted(sum(map(len, places.values())), 'reject')} in {store.url}"]
    for reason, uris in sorted(places.items(), key=lambda item: -len(item[1])):
        shown = uris[: config.shown or None]
        lines.append(f"{len(uris):,}  {one_line(reason)}")
        lines += [f"\t{one_line(uri)}" for uri in shown]
        if len(shown) < len(uris):
            lines.append(f"\tand {len(uris) - len(shown):,} more; shown=0 shows all")
    return "\n".join(lines)
