"""Images that were deleted forever: rows that a shard comes to have nevertheless, and rejects."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

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
BLOCKED = "Blocked"
"""Class of rejects that were deleted forever; they count as no fault of the shard."""
_SCHEME = "deleted"


class BlockedImage(NamedTuple):
    """Where a ledger says that such a reject is, which is to name no image."""

    source: int
    """Number of its source in the generation of its shard; -1: not known."""
    digest: str
    """Of its id or bytes, by which it is blocked."""

    @classmethod
    def of(cls, uri: str, error: str) -> BlockedImage | None:
        """Return that of a row of a ledger; None: another reject."""
        scheme, _, place = uri.partition(":")
        if error != BLOCKED or scheme != _SCHEME:
            return None
        source, _, digest = place.partition(":")
        return cls(int(source), digest)

    @property
    def uri(self) -> str:
        """What the ledger says."""
        return f"{_SCHEME}:{self.source}:{self.digest}"


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
    names: dict[str, set[str]] = defaultdict(set)
    for name, entry in now.active.items():
        for digest in new.intersection(entry.blocked):
            names[digest].add(name)
    found: dict[str, dict[str, DeletedRows]] = defaultdict(dict)
    rows = 0
    for part in parts:
        for piece in store.read_all(part, ["id", DIGEST]):
            pairs = zip(piece["id"].to_pylist(), piece[DIGEST].to_pylist(), strict=True)
            for id, digest in pairs:
                image = set() if digest is None else names.get(digest.hex(), set())
                by = names.get(id_digest(id), set()) | image
                if by and not now.covers(part.file, id):
                    rows += 1
                    for name in by:
                        each = found[name].setdefault(part.file, DeletedRows(part.sha256, []))
                        each.ids.append(id)
    if found:
        log.info("%s deleted forever while they were embedded", counted(rows, "row"))
    for name, deleted in sorted(found.items()):
        entries.add(Entry.now(FOREVER, deleted, follows=name))
    return known | new
