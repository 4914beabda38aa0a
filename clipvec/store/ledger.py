"""The rejects of a store, from the ledgers of all of its shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import paths
from clipvec.errors import StoreError
from clipvec.store.blocked import BLOCKED, BlockedImage
from clipvec.store.generations import current
from clipvec.store.part import ledger_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pyarrow as pa

    from clipvec.store.generations import Generation
    from clipvec.store.shard import CommitMarker
    from clipvec.store.store import Store

NOT_FOUND = FileNotFoundError.__name__
"""Class of rejects whose file is not there."""


def live_rejects(
    store: Store,
    generations: Sequence[Generation],
    among: Collection[Generation] | None = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the rejects that no later generation embedded again, or saw to be gone.

    Args:
        store: of the ledgers.
        generations: all that are to count.
        among: those of them whose ledgers are read; None: all.

    Yields:
        The number of the generation, and a row of `ledger_rows`.

    Raises:
        StoreError: a plan or a ledger cannot be read.
    """
    begun = set(store.folder.folders())
    plans = [store.generations.plan(each) for each in generations if each.plan]
    known = {name for plan in plans for name in plan["name"].to_pylist()}
    last: dict[bytes, int] = {}
    places: set[tuple[int, int]] = set()
    if plans:
        live = current(generations, plans)
        numbers = live["generation"].to_pylist()
        last = dict(zip(live["name"].to_pylist(), numbers, strict=True))
        places = set(zip(numbers, live["source"].to_pylist(), strict=True))
    for generation in generations if among is None else among:
        folders = [paths.ShardPaths(shard) for shard in generation.shards]
        ledgers = [folder.rejects for folder in folders if folder.folder in begun]
        for file, data in store.folder.read_each(ledgers).items():
            for row in _rows(store, file, data):
                image = BlockedImage.of(row["uri"], row["error"]) if plans else None
                if image is not None and image.source >= 0:
                    seen = (generation.number, image.source) in places
                else:
                    name = row["id"].encode("utf-8", "surrogatepass")
                    seen = name not in known or last.get(name) == generation.number
                if seen:
                    yield generation.number, row


def retried_sources(
    store: Store,
    generations: Sequence[Generation],
    markers: Mapping[int, CommitMarker],
    known: pa.Table,
) -> np.ndarray:
    """Return which sources have rejects that the next generation takes up again, bool [K].

    They were deleted forever, and no longer are; or they were listed with a size, and were not
    found when their turn came. What else cannot be embedded stays so until its file changes.

    Args:
        store: of the ledgers.
        generations: of it.
        markers: of their shards.
        known: the K sources that it covers, see `clipvec.store.generations.current`.

    Raises:
        StoreError: a ledger cannot be read.
    """
    numbers = {
        shard: generation.number
        for generation in generations
        for shard in generation.shards
        if markers[shard].reasons.keys() & {BLOCKED, NOT_FOUND}
    }
    found: set[tuple[int, int | bytes]] = set()
    for shard, rows in store.rejects(markers[shard] for shard in numbers).items():
        for _, id, uri, _, error in rows:
            image = BlockedImage.of(uri, error)
            if image is not None and image.digest not in store.tombstones.blocked:
                found.add((numbers[shard], image.source))
            elif error == NOT_FOUND:
                found.add((numbers[shard], id.encode("utf-8", "surrogatepass")))
    if not found:
        return np.zeros(len(known), bool)
    columns = (known[name].to_pylist() for name in ("generation", "source", "name", "size"))
    return np.array(
        [
            (number, source) in found or (size is not None and (number, name) in found)
            for number, source, name, size in zip(*columns, strict=True)
        ],
        bool,
    )


def _rows(store: Store, file: str, data: bytes) -> list[dict[str, Any]]:
    try:
        return ledger_rows(data)
    except (ValueError, OSError, KeyError) as error:
        raise StoreError(
            f"{store.folder.path(file)} is damaged ({error}); clipvec check says how to mend it"
        ) from error
