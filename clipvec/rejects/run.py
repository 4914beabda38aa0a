"""Reads the ledgers of rejects of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.data import Listing
from clipvec.errors import StoreError, one_line
from clipvec.progress import counted
from clipvec.store import Store, current, ledger_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clipvec.config import RejectsConfig


def rejects(config: RejectsConfig) -> str:
    """Return the rejects of a store, the most frequent reason first.

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    store = Store.open(paths.store_dir(config.store.root, config.dataset.name, config.model.name))
    places: dict[str, list[str]] = {}
    for row in _rows(store):
        places.setdefault(row["reason"], []).append(row["uri"])
    lines = [f"{counted(sum(map(len, places.values())), 'reject')} in {store.url}"]
    for reason, uris in sorted(places.items(), key=lambda item: -len(item[1])):
        shown = uris[: config.shown or None]
        lines.append(f"{len(uris):,}  {one_line(reason)}")
        lines += [f"\t{one_line(uri)}" for uri in shown]
        if len(shown) < len(uris):
            lines.append(f"\tand {len(uris) - len(shown):,} more; shown=0 shows all")
    return "\n".join(lines)


def _rows(store: Store) -> Iterator[dict[str, Any]]:
    """Yield the rejects that no later generation embedded again, or saw to be gone."""
    generations, begun = store.generations.all(), set(store.folder.folders())
    plans = [store.generations.plan(each) for each in generations if each.plan]
    known = {name for plan in plans for name in Listing(plan).names()}
    last: dict[str, int] = {}
    if plans:
        live = current(plans, [each.sources for each in generations])
        last = dict(zip(Listing(live).names(), live["generation"].to_pylist(), strict=True))
    for generation in generations:
        folders = [paths.ShardPaths(shard) for shard in generation.shards]
        ledgers = [folder.rejects for folder in folders if folder.folder in begun]
        for name, data in store.folder.read_each(ledgers).items():
            for row in _ledger(store, name, data):
                if row["id"] not in known or last.get(row["id"]) == generation.number:
                    yield row


def _ledger(store: Store, name: str, data: bytes) -> list[dict[str, Any]]:
    try:
        return ledger_rows(data)
    except (ValueError, OSError, KeyError) as error:
        raise StoreError(
            f"{store.folder.path(name)} is damaged ({error}); clipvec check says how to mend it"
        ) from error
