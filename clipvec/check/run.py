"""Reads a store and its index in full, and tells what is not as it was written."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from clipvec.check.compare import REBUILD, IndexComparison
from clipvec.errors import ClipvecError, CollectionError, SchemaError, StoreError, one_line
from clipvec.index import has_index, open_index, table_fault
from clipvec.progress import Progress, counted
from clipvec.store import LivePart, Store, Tombstones

if TYPE_CHECKING:
    from clipvec.config import CheckConfig
    from clipvec.index import VectorIndex
    from clipvec.store import CommitMarker


@dataclass
class CheckSummary:
    """What was checked, and what is wrong with it."""

    store: str
    """Path or URL."""
    index: str | None = None
    """Folder or URL; None: there is none, or it was left out."""
    parts: int = 0
    rows: int = 0
    """Without those that are deleted."""
    deleted: int = 0
    faults: list[str] = field(default_factory=list)
    """One line each, with its mend."""

    def __str__(self) -> str:
        """Return one line that says what is right."""
        store = (
            f"{counted(self.parts, 'part')} and {counted(self.rows, 'row')} of {self.store} are "
            "as they were written"
        )
        store += f"; {counted(self.deleted, 'row')} deleted" if self.deleted else ""
        return f"{store}; {self.index} has the same rows" if self.index else store

    def raise_faults(self) -> None:
        """Refuse to call it a success when something is wrong.

        Raises:
            StoreError: with the number of faults.
        """
        if self.faults:
            places = f"{self.store} and {self.index}" if self.index else self.store
            raise StoreError(f"{counted(len(self.faults), 'fault')} in {places}, see above")


def check(config: CheckConfig) -> CheckSummary:
    """Compare every byte of a store with its checksums, and every row of the index with the store.

    Memory is that of one part, however large the store is.

    Raises:
        StoreError: there is no store, or it cannot be read at all.
    """
    store = Store.open(config.store_url)
    summary = CheckSummary(store.url)
    known = _check_tombstones(store, summary)
    faults: list[ClipvecError] = []
    markers = store.committed(faults=faults)
    summary.faults += map(one_line, faults)
    _check_plans(store, summary)
    store.tell_unfinished("are not checked", markers)
    name = config.collection
    with contextlib.ExitStack() as stack:
        index = None
        if known and not config.store_only and has_index(config.index, name):
            summary.index = config.index.location(name)
            try:
                index = stack.enter_context(open_index(config.index, name, bare=True))
                # such an index has its rows nowhere else
                mend = REBUILD if index.capabilities.mapped else None
                tables = [table_fault(folder, mend) for folder in index.rows_folders]
                summary.faults += [one_line(fault) for fault in tables if fault]
                index.check_files()
            except (CollectionError, SchemaError) as error:
                summary.faults.append(one_line(error))
        _check_parts(store, markers, index, summary)
    return summary


def _check_tombstones(store: Store, summary: CheckSummary) -> bool:
    """Return whether it is known which rows are deleted."""
    try:
        summary.deleted = len(store.tombstones)
        return True
    except (StoreError, SchemaError) as error:
        summary.faults.append(one_line(error))
        store.tombstones = Tombstones()
        store.shards = [shard for each in store.generations.all() for shard in each.shards]
        return False


def _check_plans(store: Store, summary: CheckSummary) -> None:
    for generation in store.generations.all():
        try:
            if generation.plan:
                store.generations.plan(generation)
        except StoreError as error:
            summary.faults.append(one_line(error))


def _check_parts(
    store: Store,
    markers: dict[int, CommitMarker],
    index: VectorIndex | None,
    summary: CheckSummary,
) -> None:
    comparison = None
    if index is not None:
        comparison = IndexComparison(index, store, [s for s in store.shards if s not in markers])
    with Progress() as progress:
        task = progress.task("rows", sum(marker.rows for marker in markers.values()), "rows")
        for marker in markers.values():
            try:
                store.rejects([marker])
            except StoreError as error:
                summary.faults.append(one_line(error))
            for part in _live_parts(store, marker, summary):
                _check_part(store, part, comparison, summary)
                task.advance(part.part.rows)
    if comparison is not None:
        summary.faults += comparison.end()


def _live_parts(store: Store, marker: CommitMarker, summary: CheckSummary) -> list[LivePart]:
    """Return the parts of a shard, whole where it cannot be told which of their rows are live."""
    try:
        return store.live_parts(marker)
    except StoreError as error:
        summary.faults.append(one_line(error))
        return [LivePart(part) for part in marker.parts]


def _check_part(
    store: Store, part: LivePart, comparison: IndexComparison | None, summary: CheckSummary
) -> None:
    """Check a part, and the rows of the index that came from it."""
    summary.parts += 1
    try:
        row = 0
        for positions, piece in store.numbered(part, batch_rows=1024):
            if comparison is not None:
                comparison.add(part, positions, piece)
            row += len(piece)
        summary.rows += row
        if row != part.rows:
            other = ValueError(f"it has {row} rows, done.json says {part.rows}")
            summary.faults.append(one_line(store.damaged(part.part, other)))
    except StoreError as error:
        if (line := one_line(error)) not in summary.faults:  # of store.json, for each part
            summary.faults.append(line)
        if comparison is not None:
            comparison.skip(part)
    except CollectionError as error:
        summary.faults.append(one_line(error))
    if comparison is not None:
        summary.faults += comparison.end_part(part)
