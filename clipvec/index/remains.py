"""Bytes of rows that were taken out of a store, in the files of its indexes.

Chroma keeps what was deleted in its database and its graph for as long as a collection lives; FAISS
writes its files anew for each build. Either way an index says how many removed rows the store had
when it was begun: it has never held these.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clipvec import paths
from clipvec.config import IndexCommandConfig, from_dict, to_dict
from clipvec.errors import CollectionError
from clipvec.index.backend import check_made_of, open_backend
from clipvec.index.build import build_index

if TYPE_CHECKING:
    from clipvec.config import CompactConfig, IndexConfig
    from clipvec.index.build import IndexSummary
    from clipvec.store import Store

_HNSW = {"max_neighbors": 16, "ef_construction": 100, "ef_search": 100}
"""For backends without a graph, which ask for none of it."""
_BATCH_ROWS = 2048


def remove_leftovers(config: IndexConfig, whole: str) -> None:
    """Finish what killed commands left of the indexes, and remove all that is not part of them.

    Args:
        config: where they are.
        whole: ``<dataset>--<model>``; its partitions count too.

    Raises:
        CollectionError: another command fills one, or one cannot be written.
    """
    backend = open_backend(config)
    for name in backend.begun():
        if paths.whole_collection(name) == whole:
            with backend.exclusive(name):
                backend.publish(name)
                if left := backend.leftovers(name):
                    raise CollectionError(
                        f"{left[0]} may hold rows that were taken out, and cannot be removed; end "
                        "what has files of it open, and run the same command again"
                    )


def held_indexes(config: IndexConfig, whole: str, store: Store, removed: int) -> dict[str, bool]:
    """Return the indexes of a store: whether their files may hold rows that were taken out of it.

    Args:
        config: where they are.
        whole: ``<dataset>--<model>``; its partitions count too.
        store: of their rows.
        removed: rows that were taken out of it, or are about to be.

    Raises:
        FingerprintError: an index of this name is of another store.
        CollectionError: one cannot be opened.
    """
    backend, found = open_backend(config), {}
    for name in backend.names():
        if paths.whole_collection(name) == whole:
            with backend.open(name) as index:
                check_made_of(index.info, index.location, store)
                found[name] = index.info.removed < removed
    return found


def rebuild(config: CompactConfig, name: str, *, anew: bool) -> IndexSummary:
    """Make an index hold what its store holds, with the settings that it was built with.

    Args:
        config: which store it is of, and where it is.
        name: ``<dataset>--<model>``, or one of its partitions.
        anew: whether no byte may be left of rows that the store lacks.

    Raises:
        CollectionError: the index cannot be read or written; the old one is unchanged.
        StoreError: the store cannot be read.
    """
    backend = open_backend(config.index)
    with backend.open(name) as index:
        known = index.settings
    command = {
        "model": {"name": config.model.name},
        "dataset": {"name": config.dataset.name},
        "sharding": {"count": 1},
        "store": to_dict(config.store),
        "index": to_dict(config.index),
        "hnsw": {key: known.get(key, value) for key, value in _HNSW.items()},
        "cloud": {"name": "local"},
        "launcher": {"kind": "local"},
        "tracking": {"mode": "disabled"},
        "partition": paths.partition(name) or None,
        "shards": None,
        "num_shards": None,
        "alias": None,
        "allow_partial": True,
        "rebuild": anew and backend.keeps_bytes,
        "batch_rows": _BATCH_ROWS,
    }
    return build_index(from_dict(command, IndexCommandConfig))
