"""From the part files of a store to the rows of an index."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from clipvec.errors import CollectionError
from clipvec.index.base import PART, ROW
from clipvec.index.filters import BUILT_IN
from clipvec.progress import Progress
from clipvec.store import EMBEDDING, matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from clipvec.index.backend import IndexWriter, LedgerEntry
    from clipvec.store import LivePart, Store


@dataclass
class Plan:
    """The work after which the index holds exactly the given parts."""

    load: list[LivePart] = field(default_factory=list)
    reused: list[LivePart] = field(default_factory=list)
    replaced: int = 0
    """Parts of ``load`` that the index holds half, or in another version."""
    drop: list[str] = field(default_factory=list)
    """Part files whose rows are deleted first."""
    shrink: list[LivePart] = field(default_factory=list)
    """Parts of ``reused`` of which the index may hold rows that were deleted since."""

    @classmethod
    def make(cls, parts: Iterable[LivePart], entries: dict[str, LedgerEntry]) -> Plan:
        """Compare the parts of the store with the entries of the ledger."""
        plan, left = cls(), dict(entries)
        for part in parts:
            entry = left.pop(part.file, None)
            if entry is not None and entry.state == "loaded" and entry.sha256 == part.sha256:
                plan.reused.append(part)
                if entry.deletions != part.deletions:
                    plan.shrink.append(part)
                continue
            plan.load.append(part)
            if entry is not None:
                plan.replaced += 1
                plan.drop.append(part.file)
        plan.drop += left
        return plan

    def replace(self, part: LivePart) -> None:
        """Load a part anew that was to be reused."""
        self.reused.remove(part)
        self.load.append(part)
        self.replaced += 1
        self.drop.append(part.file)


def shrink(writer: IndexWriter, plan: Plan) -> int:
    """Delete rows of parts that the index holds, and return how many these were.

    A part of which the index lacks rows, as after a deletion that was undone, is loaded anew.
    """
    deleted = 0
    for part in plan.shrink:
        held = writer.count_part(part.file)
        # Marked while rows are deleted: after a kill, and an undo, the ledger would look right.
        with contextlib.suppress(_LacksRows), writer.loading([part]):
            writer.delete(part.file, part.deleted)
            if writer.count_part(part.file) != part.rows:
                plan.replace(part)
                raise _LacksRows
            deleted += held - part.rows
    return deleted


class _LacksRows(Exception):
    """Leaves a part marked as loading."""


def load(
    writer: IndexWriter, store: Store, plan: Plan, batch_rows: int, loaded: Callable[[int], None]
) -> float:
    """Do what ``plan`` says and return the seconds that it took.

    Args:
        writer: fills the index.
        store: where the rows come from.
        plan: which parts to load and to drop.
        batch_rows: rows of one call of the backend.
        loaded: called with the number of rows after each.

    Raises:
        CollectionError: the backend cannot take the rows.
        StoreError: a part cannot be read.
    """
    if plan.drop:  # only once all of what replaces it is known to be as it was written
        for part in plan.load:
            store.compare(part)
    writer.drop(plan.drop)
    started = time.monotonic()
    with Progress() as progress:
        rows = progress.task("rows", sum(part.rows for part in plan.load), "rows")
        files = progress.task("part files", len(plan.load), "files")
        for group in groups(plan.load, batch_rows):
            with writer.loading(group):
                for vectors, table in batches(store, group, batch_rows):
                    writer.add(vectors, table)
                    rows.advance(len(table))
                    loaded(len(table))
            files.advance(len(group))
    return max(time.monotonic() - started, 1e-9)


def groups(parts: Iterable[LivePart], batch_rows: int) -> Iterator[list[LivePart]]:
    """Yield parts that fill a batch together; one larger than a batch comes alone."""
    group: list[LivePart] = []
    for part in parts:
        if group and sum(p.rows for p in group) + part.rows > batch_rows:
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def batches(
    store: Store, group: list[LivePart], batch_rows: int
) -> Iterator[tuple[np.ndarray, pa.Table]]:
    """Yield what `IndexWriter.add` takes: vectors and rows of a group, N <= ``batch_rows``."""
    vectors: list[np.ndarray] = []
    tables: list[pa.Table] = []
    columns = ["id", EMBEDDING, *BUILT_IN, *store.fingerprint.attributes]
    for part in group:
        loaded = 0
        for positions, piece in store.numbered(part, columns, batch_rows):
            if tables and sum(map(len, tables)) + len(piece) > batch_rows:
                yield np.concatenate(vectors), pa.concat_tables(tables)
                vectors, tables = [], []
            vectors.append(matrix(piece))
            rows = pa.Table.from_batches([piece]).drop_columns(EMBEDDING)
            rows = rows.append_column(PART, pa.repeat(part.file, len(piece)))
            tables.append(rows.append_column(ROW, pa.array(positions)))
            loaded += len(piece)
        if loaded != part.rows:
            raise CollectionError(
                f"{store.folder.path(part.file)} has {loaded} rows, its shard's "
                f"commit marker says {part.rows}; embed that shard again"
            )
    if tables:
        yield np.concatenate(vectors), pa.concat_tables(tables)
