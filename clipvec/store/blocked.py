"""Rows that were deleted forever while their shard was embedded."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from clipvec.progress import counted
from clipvec.store.schema import DIGEST, id_digest
from clipvec.store.tombstones import DeletedRows, Entry, TombstoneFolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Set

    from clipvec.store.part import Part
    from clipvec.store.store import Store

log = logging.getLogger(__name__)
FOREVER = "deleted forever"
"""Reason of such a deletion."""


def hide_blocked(store: Store, parts: Iterable[Part], known: Set[str] = frozenset()) -> Set[str]:
    """Delete the rows of parts whose ids or images were deleted forever.

    Args:
        store: where the parts are, committed or not.
        parts: to look at.
        known: digests of which the parts have no row.

    Returns:
        The digests of which they show none now.

    Raises:
        StoreError: the tombstones or a part cannot be read, or the deletion cannot be written.
    """
    entries = TombstoneFolder(store.folder)
    now = entries.read()
    if not (new := now.blocked - known):
        return known
    found: dict[str, DeletedRows] = {}
    for part in parts:
        for piece in store.read_all(part, ["id", DIGEST]):
            pairs = zip(piece["id"].to_pylist(), piece[DIGEST].to_pylist(), strict=True)
            for id, digest in pairs:
                is_new = id_digest(id) in new or (digest is not None and digest.hex() in new)
                if is_new and not now.covers(part.file, id):
                    found.setdefault(part.file, DeletedRows(part.sha256, [])).ids.append(id)
    if found:
        entry = Entry.now(FOREVER, found)
        log.info("%s deleted forever while they were embedded", counted(entry.rows, "row"))
        entries.add(entry)
    return known | new
