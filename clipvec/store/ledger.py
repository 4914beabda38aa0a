"""The rejects of a store, from the ledgers of all of its shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.errors import StoreError
from clipvec.store.blocked import BLOCKED, BlockedImage
from clipvec.store.generations import current
from clipvec.store.part import ledger_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from clipvec.store.generations import Generation
    from clipvec.store.shard import CommitMarker
    from clipvec.store.store import Store


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


def lifted_sources(
    store: Store, generations: Sequence[Generation], markers: Mapping[int, CommitMarker]
) -> set[tuple[int, int]]:
    """Return the sources of rejects that were deleted forever, and no longer are.

    Args:
        store: of the ledgers.
        generations: of it.
        markers: of their shards.

    Returns:
        Generation and number of each.

    Raises:
        StoreError: a ledger cannot be read.
    """
    found = {
        (generation.number, image)
        for generation in generations
        for shard in generation.shards
        if BLOCKED in markers[shard].reasons
        for _, _, uri, _, error in store.rejects(markers[shard])
        if (image := BlockedImage.of(uri, error)) is not None
    }
    blocked = store.tombstones.blocked if found else frozenset()
    return {(number, image.source) for number, image in found if image.digest not in blocked}


def _rows(store: Store, file: str, data: bytes) -> list[dict[str, Any]]:
    try:
        return ledger_rows(data)
    except (ValueError, OSError, KeyError) as error:
        raise StoreError(
            f"{store.folder.path(file)} is damaged ({error}); clipvec check says how to mend it"
        ) from error
