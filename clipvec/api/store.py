"""The rows of a store from Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clipvec.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from clipvec.store import Rows


class StoreReader:
    """The committed rows of a store, in shard order."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    @property
    def url(self) -> str:
        """Location of the store: an absolute path, or a URL."""
        return self._rows.store.url

    @property
    def dim(self) -> int:
        """Length of the vectors, D."""
        return self._rows.dim

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __repr__(self) -> str:
        return f"<StoreReader {self.url}, {len(self):,} rows, {self.dim} dimensions>"

    def to_arrow(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows as one Arrow table.

        Args:
            columns: ``id``, ``embedding``, ``uri``, ``caption``, ``width``, ``height``,
                ``thumbnail``, the attributes of the dataset, and what a store needs to follow
                it (``_source``, ``_digest``); None: all of them.

        Raises:
            ConfigError: there is no such column.
            StoreError: a part is missing or damaged.
        """
        import pyarrow as pa

        schema = self._rows.store.schema()
        names = schema.names if columns is None else columns
        if unknown := [name for name in names if name not in schema.names]:
            raise ConfigError(
                f"{self.url} has no column {unknown[0]!r}; it has {', '.join(schema.names)}"
            )
        pieces = [piece for _, piece in self._rows.pieces(names)]
        return pa.Table.from_batches(pieces, pa.schema([schema.field(name) for name in names]))

    def to_numpy(self) -> tuple[np.ndarray, list[str]]:
        """Return the vectors (float32 [N, D], unit length) and the ids of the rows.

        Memory use is that of the result: 4 * D bytes per row, and the ids.

        Raises:
            StoreError: a part is missing or damaged.
        """
        vectors = np.empty((len(self), self.dim), np.float32)
        ids: list[str] = []
        for start, piece in self._rows.pieces(["id", "embedding"]):
            flat = piece["embedding"].flatten().to_numpy()
            vectors[start : start + len(piece)] = flat.reshape(len(piece), self.dim)
            ids += piece["id"].to_pylist()
        return vectors, ids
