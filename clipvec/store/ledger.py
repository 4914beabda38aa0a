"""The rejects of a store, from the ledgers of all of its shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipvec import paths
from clipvec.errors import StoreError
from clipvec.store.generations import current
from clipvec.store.part import ledger_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from clipvec.store.generations import Generation
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
    if plans:
        live = current(generations, plans)
        last = dict(zip(live["name"].to_pylist(), live["generation"].to_pylist(), strict=True))
    for generation in generations if among is None else among:
        folders = [paths.ShardPaths(shard) for shard in generation.shards]
        ledgers = [folder.rejects for folder in folders if folder.folder in begun]
        for file, data in store.folder.read_each(ledgers).items():
            for row in _rows(store, file, data):
                name = row["id"].encode("utf-8", "surrogatepass")
                if name not in known or last.get(name) == generation.number:
                    yield generation.number, row


def _rows(store: Store, file: str, data: bytes) -> list[dict[str, Any]]:
    try:
        return ledger_rows(data)
    except (ValueError, OSError, KeyError) as error:
        raise StoreError(
            f"{store.folder.path(file)} is damaged ({error}); clipvec check says how to mend it"
        ) from error
