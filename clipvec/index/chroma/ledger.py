"""Which part files of the store a collection holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clipvec.index.backend import LedgerEntry
from clipvec.index.chroma.client import LEDGER, MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from chromadb.api.client import Client

    from clipvec.store import LivePart

_REQUEST = 1000
"""Entries of one request."""


class Ledger:
    """A companion collection, bound to the collection's id, so that it survives a rename.

    A part is ``loading`` before the first of its rows is written and ``loaded`` after the last.
    """

    def __init__(self, client: Client, collection: UUID) -> None:
        self._entries = client.get_or_create_collection(
            f"{collection}{LEDGER}", embedding_function=None, metadata={MARK: "ledger"}
        )

    def read(self) -> dict[str, LedgerEntry]:
        """Return the entries by part file."""
        found = self._entries.get(include=["metadatas"])
        return {
            file: LedgerEntry(
                str(values["sha256"]),
                "loaded" if values["loaded"] else "loading",
                str(values["deletions"]),
            )
            for file, values in zip(found["ids"], found["metadatas"] or [], strict=True)
        }

    def mark(self, parts: Sequence[LivePart], *, loaded: bool) -> None:
        """Record the state of parts."""
        for start in range(0, len(parts), _REQUEST):
            some = parts[start : start + _REQUEST]
            self._entries.upsert(
                ids=[part.file for part in some],
                embeddings=np.zeros((len(some), 1), np.float32),
                metadatas=[
                    {
                        "sha256": part.sha256,
                        "rows": part.rows,
                        "loaded": loaded,
                        "deletions": part.deletions,
                    }
                    for part in some
                ],
            )

    def forget(self, files: Iterable[str]) -> None:
        """Remove entries."""
        gone = list(files)
        for start in range(0, len(gone), _REQUEST):
            self._entries.delete(ids=gone[start : start + _REQUEST])
