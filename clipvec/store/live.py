"""Parts as readers see them: without the rows that are deleted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from clipvec.store import tombstones

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa

    from clipvec.store.part import Part


@dataclass(frozen=True)
class LivePart:
    """A part and the ids of its rows that are deleted."""

    part: Part
    deleted: tuple[str, ...] = ()
    """Sorted."""

    @classmethod
    def of(cls, part: Part, deleted: Iterable[str]) -> LivePart:
        """Return a part without the rows of some ids, all of which it has."""
        return cls(part, tuple(sorted(deleted)))

    @property
    def file(self) -> str:
        """Path relative to the store."""
        return self.part.file

    @property
    def sha256(self) -> str:
        """Checksum of the file, which holds the deleted rows too."""
        return self.part.sha256

    @property
    def rows(self) -> int:
        """Number of rows that are not deleted."""
        return self.part.rows - len(self.deleted)

    @cached_property
    def deletions(self) -> str:
        """What tells these deleted rows from others of the part; empty: none is."""
        return tombstones.state(self.deleted)

    def live(
        self, pieces: Iterable[pa.RecordBatch], columns: Sequence[str] | None
    ) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """Yield the positions, int64 [N], and the ``columns`` of the rows that are not deleted.

        Args:
            pieces: the part from its start; with the ids where rows are deleted.
            columns: to yield; None: all.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        deleted, start = pa.array(self.deleted, pa.string()), 0
        for piece in pieces:
            positions = np.arange(start, start + len(piece))
            start += len(piece)
            if not self.deleted:
                yield positions, piece
                continue
            kept = pc.invert(pc.is_in(piece["id"], value_set=deleted))
            rows = (piece if columns is None else piece.select(columns)).filter(kept)
            if len(rows):
                yield positions[kept.to_numpy(zero_copy_only=False)], rows
