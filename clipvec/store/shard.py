"""One shard of a store: parts, reject ledger, commit marker."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec import files, paths, version
from clipvec.errors import StoreError
from clipvec.store.part import (
    CURSOR,
    ORIGIN,
    REUSED,
    SPAN,
    WHOLE,
    Part,
    ledger_bytes,
    ledger_rows,
    notes,
    origin,
    part_of,
    read_sealed,
    sealed,
)
from clipvec.store.schema import EMBEDDING, Row

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    import pyarrow as pa

    from clipvec.store.folder import Folder
    from clipvec.store.part import LedgerRow

log = logging.getLogger(__name__)
_SCHEMA = 3
"""Schema number of a commit marker."""


@dataclass(frozen=True)
class CommitMarker:
    """The commit marker of a shard."""

    shard: int
    rows: int
    rejects: int
    reasons: dict[str, int]
    """Rejects by error class."""
    parts: list[Part]
    timings: dict[str, Any]
    clipvec: str = field(default_factory=version.version)

    @classmethod
    def from_json(cls, data: bytes, shard: int, file: str, mend: str) -> CommitMarker:
        """Return the marker that `ShardWriter.commit` wrote for a shard.

        Raises:
            SchemaError: it has another schema; see `clipvec.files.from_json`.
            ValueError, KeyError, TypeError: it is damaged, or that of another shard.
        """
        values = files.from_json(data, _SCHEMA, file, mend, sealed=True)
        marker = cls(**{**values, "parts": [Part(**part) for part in values["parts"]]})
        marker._check(shard)
        return marker

    def to_json(self) -> bytes:
        """Return the bytes of its file, with a checksum."""
        return files.to_json(asdict(self), _SCHEMA, sealed=True)

    @property
    def embedded(self) -> int:
        """Images that were embedded by the run that committed it, which may not have begun it.

        Those whose vectors it took over are not among them.
        """
        return int(_measured(self.timings.get("embedded")))

    @property
    def seconds(self) -> float:
        """Of that run."""
        return _measured(self.timings.get("seconds"))

    @property
    def hardware(self) -> str:
        """What that run embedded on; empty: not recorded."""
        return str(self.timings.get("hardware", ""))

    def _check(self, shard: int) -> None:
        """Raise a ValueError where it contradicts itself, or is not of this shard."""
        if self.shard != shard:
            raise ValueError(f"it is that of shard {self.shard}")
        place, least = paths.ShardPaths(shard), 0
        for part in self.parts:
            # one that was made of several has the number of their first
            number = max(least, paths.part_number(part.file) or 0)
            wanted = place.part(number)
            if part.file not in {wanted, place.part(number, part.sha256)}:
                raise ValueError(f"it names {part.file}, not {wanted}")
            least = number + 1
            part.check()
        if self.rows != (rows := sum(part.rows for part in self.parts)):
            raise ValueError(f"it counts {self.rows} rows, its parts have {rows}")
        if self.rejects != (rejects := sum(self.reasons.values())):
            raise ValueError(f"it counts {self.rejects} rejects, its reasons have {rejects}")


def _measured(value: object) -> float:
    """Return a measured number; 0 for what is none, since nothing but forecasts depends on it."""
    if isinstance(value, int | float) and math.isfinite(value) and value > 0:
        return float(value)
    return 0.0


def embedded_by_hardware(
    measured: Iterable[tuple[str, int, float]],
) -> dict[str, tuple[int, float]]:
    """Return images and seconds by the hardware that embedded, where both are known.

    Args:
        measured: the hardware, the images embedded, and the seconds of each shard.
    """
    totals: dict[str, tuple[int, float]] = {}
    for hardware, images, seconds in measured:
        if images and seconds:
            before, until = totals.get(hardware, (0, 0.0))
            totals[hardware] = before + images, until + seconds
    return totals


class ShardWriter:
    """Writes a shard part by part, resuming where an earlier run stopped.

    `position` is the number of processed items of the shard, where the next part starts. It
    depends only on the finished parts, so a killed run repeats at most one part. `cursor` is the
    same position in the dataset: the file of the last item, and the number of its processed items.
    """

    def __init__(
        self,
        folder: Folder,
        shard: int,
        schema: pa.Schema,
        store: str = "",
        compacted: Container[str] = (),
        reusing: bool = False,
    ) -> None:
        """Take over what an earlier run wrote.

        Args:
            folder: of the store.
            shard: its number.
            schema: of the parts.
            store: what tells this store from others, see `clipvec.store.Store`.
            compacted: part files without rows of those in whose place they were committed. A kill
                can leave more of them, without rows whose deletion was taken back.
            reusing: whether its rows are those of another store, whose positions are not those of
                the dataset; parts with others are not taken over.
        """
        self._folder = folder
        self.shard = shard
        self._paths = paths.ShardPaths(shard)
        self._schema = schema
        self._origin = origin(store, shard)
        self._compacted = compacted
        self._reusing = reusing
        self._parts: list[Part] = []
        self._next = 0
        """Number of the next part."""
        self._ids: list[str] = []
        self._rejects: list[LedgerRow] = []
        self._gaps = 0
        """Rejects that the parts leave room for, which the ledger has at least."""
        self._saved_rejects = 0
        """Rows of the ledger on disk; -1: it holds rows that no longer apply."""
        self.position = 0
        self.cursor: tuple[str, int] | None = None
        self._recover()

    @property
    def rows(self) -> int:
        """Rows of the finished parts."""
        return sum(part.rows for part in self._parts)

    @property
    def parts(self) -> int:
        """Number of finished parts."""
        return len(self._parts)

    @property
    def finished(self) -> list[Part]:
        """The finished parts, which are committed last."""
        return [*self._parts]

    @property
    def rejects(self) -> int:
        """Rejects recorded so far."""
        return len(self._rejects)

    @property
    def ledger(self) -> str:
        """Full path of the reject ledger."""
        return self._folder.path(self._paths.rejects)

    def reasons(self) -> dict[str, int]:
        """Return the number of rejects by error class, most first."""
        return dict(Counter(error for *_, error in self._rejects).most_common())

    @property
    def folder(self) -> str:
        """Full path of the shard's folder."""
        return self._folder.path(self._paths.folder)

    def ids(self) -> list[str]:
        """Return the ids of the rows of the finished parts."""
        return self._ids

    def rejected(self) -> list[LedgerRow]:
        """Return what was rejected, and is recorded in the ledger or will be."""
        return self._rejects

    def reject(self, position: int, id: str, uri: str, reason: str, error: str) -> None:
        """Record an item that cannot be embedded; it is saved with the part that covers it."""
        self._rejects.append((position, id, uri, reason, error))

    def replace_rejects(self, rows: Iterable[LedgerRow]) -> None:
        """Record these rejects alone."""
        new = [*rows]
        if {*new} != {*self._rejects}:
            self._rejects, self._saved_rejects = new, -1 if self._saved_rejects else 0

    def write_part(
        self,
        rows: Sequence[Row],
        embeddings: np.ndarray,
        stop: int,
        cursor: tuple[str, int] | None = None,
    ) -> None:
        """Write the next part.

        Args:
            rows: N rows in the order of the shard.
            embeddings: float [N, D].
            stop: position after the last item that the part covers.
            cursor: the new value of `cursor`.

        Raises:
            StoreError: it cannot be written; earlier parts are kept.
        """
        self._save_rejects(stop)
        name = self._paths.part(self._next)
        said: dict[bytes, Any]
        said = {SPAN: [self.position, stop], CURSOR: cursor, ORIGIN: self._origin}
        if self._reusing:
            said[REUSED] = True
        data = self._part_bytes(rows, embeddings, said)
        self._folder.write(name, data)
        self._parts.append(part_of(name, data))
        self._ids += [row.id for row in rows]
        self._next += 1
        self.position, self.cursor = stop, cursor

    def save_rejects(self) -> None:
        """Write the whole ledger, including rejects after the last part."""
        self._save_rejects(None)

    def commit(self, timings: Mapping[str, Any]) -> CommitMarker:
        """Write the commit marker.

        Raises:
            StoreError: it cannot be written.
        """
        self.save_rejects()
        marker = CommitMarker(
            self.shard, self.rows, self.rejects, self.reasons(), self._parts, dict(timings)
        )
        self._folder.write(self._paths.done, marker.to_json())
        return marker

    def _recover(self) -> None:
        """Adopt the finished parts of an earlier run, and remove everything else."""
        folder = self._paths.folder
        names = [f"{folder}/{name}" for name in self._folder.names(folder)]
        # numerically: by name, part-100000 sorts before part-99999; one with all rows comes first
        for name in sorted(names, key=lambda name: (paths.part_number(name) or 0, len(name))):
            number = paths.part_number(name)
            unfinished = number is not None and not self._take(name, number)
            if unfinished or name.endswith(".tmp"):
                self._folder.remove(name)
        if self._paths.rejects in names:
            saved = self._read_rejects()
            self._rejects = [row for row in saved if row[0] < self.position]
            self._saved_rejects = len(saved) if len(saved) == len(self._rejects) else -1
        if (lacks := self._gaps - len(self._rejects)) > 0:
            # a mounted bucket may have taken a part, and not the ledger that was written before it
            self.start_over(f"{self._folder.path(self._paths.rejects)} lacks {lacks} rejects")

    def start_over(self, why: str) -> None:
        """Remove all parts, which are not those of what the shard is to have by now.

        Raises:
            StoreError: one cannot be removed.
        """
        log.warning("%s: shard %d is embedded from its start", why, self.shard)
        for name in (*(part.file for part in self._parts), self._paths.rejects):
            self._folder.remove(name)
        self._parts, self._ids, self._rejects = [], [], []
        self._saved_rejects, self._next, self.position, self.cursor = 0, 0, 0, None

    def _take(self, name: str, number: int) -> bool:
        """Adopt a part if it is, byte for byte, what was written as the next of this shard."""
        import pyarrow as pa

        if number < self._next:
            return False
        data = self._folder.read(name)
        try:
            table = read_sealed(data)
            metadata = table.schema.metadata or {}
            start, stop = json.loads(metadata[SPAN])
            cursor = json.loads(metadata[CURSOR])
            mine = json.loads(metadata[ORIGIN]) == self._origin
            whole = name == self._paths.part(number) or json.loads(metadata.get(WHOLE, b"false"))
            mine &= json.loads(metadata.get(REUSED, b"false")) == self._reusing
        except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
            # Truncated by an unclean unmount, for example.
            log.warning("%s is damaged (%s): embedded again", self._folder.path(name), error)
            return False
        fits = start == self.position and mine and (whole or name in self._compacted)
        if not fits or not table.schema.equals(self._schema):
            return False
        self._parts.append(part_of(name, data))
        if name not in self._compacted and not {WHOLE, REUSED} & metadata.keys():
            self._gaps += stop - start - len(table)
        self._next = number + 1
        self._ids += table["id"].to_pylist()
        self.position, self.cursor = stop, cursor and (cursor[0], cursor[1])
        return True

    def _read_rejects(self) -> list[LedgerRow]:
        name = self._paths.rejects
        try:
            rows = ledger_rows(self._folder.read(name))
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self._folder.path(name)} is damaged ({error}); remove the folder "
                f"{self._folder.path(self._paths.folder)} and run again"
            ) from error
        return [tuple(row.values()) for row in rows]

    def _save_rejects(self, stop: int | None) -> None:
        """Write the ledger of all items before ``stop`` (None: all), before their part."""
        rows = sorted(row for row in self._rejects if stop is None or row[0] < stop)
        if len(rows) == self._saved_rejects:
            return
        self._folder.write(self._paths.rejects, ledger_bytes(rows))
        self._saved_rejects = len(rows)

    def _part_bytes(
        self, rows: Sequence[Row], embeddings: np.ndarray, said: Mapping[bytes, Any]
    ) -> bytes:
        import pyarrow as pa

        numbers = self._schema.field(EMBEDDING).type.value_type
        flat = np.ascontiguousarray(embeddings, dtype=numbers.to_pandas_dtype()).reshape(-1)
        own = {field.name for field in fields(Row)}
        columns = [
            pa.FixedSizeListArray.from_arrays(pa.array(flat), type=field.type)
            if field.name == EMBEDDING
            else pa.array(
                [getattr(row, name) if name in own else row.attributes[name] for row in rows],
                type=field.type,
            )
            for field, name in ((field, field.name.removeprefix("_")) for field in self._schema)
        ]
        return sealed(pa.Table.from_arrays(columns, schema=self._schema.with_metadata(notes(said))))
