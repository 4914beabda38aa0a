"""From the part files of a store to the rows of a collection."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.errors import CollectionError
from clipvec.progress import Progress
from clipvec.store import EMBEDDING, matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa

    from clipvec.index.chroma.ledger import Entry
    from clipvec.index.chroma.writer import LoadingCollection
    from clipvec.store import Part, Store

_PLAIN = ("uri", "caption", "width", "height")


@dataclass
class Plan:
    """What has to be done so that the collection holds exactly the given parts."""

    load: list[Part] = field(default_factory=list)
    reused: list[Part] = field(default_factory=list)
    replaced: int = 0
    """Parts of ``load`` that are in the collection, half or in another version."""
    drop: list[str] = field(default_factory=list)
    """Part files whose rows are deleted first."""

    @classmethod
    def make(cls, parts: Iterable[Part], entries: dict[str, Entry]) -> Plan:
        """Compare the parts of the store with the entries of the ledger."""
        plan, left = cls(), dict(entries)
        for part in parts:
            entry = left.pop(part.file, None)
            if entry is not None and entry.state == "loaded" and entry.sha256 == part.sha256:
                plan.reused.append(part)
                continue
            plan.load.append(part)
            if entry is not None:
                plan.replaced += 1
                plan.drop.append(part.file)
        plan.drop += left
        return plan


def load(
    collection: LoadingCollection,
    store: Store,
    plan: Plan,
    batch_rows: int,
    loaded: Callable[[int], None],
) -> float:
    """Do what ``plan`` says and return the rows/s of the loading.

    Args:
        collection: what to load.
        store: where the rows come from.
        plan: which parts to load and to drop.
        batch_rows: rows of one request.
        loaded: told how many rows each request has added.

    Raises:
        CollectionError: Chroma cannot take the rows.
        StoreError: a part cannot be read.
    """
    collection.drop_parts(plan.drop)
    total = sum(part.rows for part in plan.load)
    started = time.monotonic()
    with Progress() as progress:
        rows = progress.task("rows", total, "rows")
        files = progress.task("part files", len(plan.load), "files")
        for group in groups(plan.load, batch_rows):
            with collection.loading(group):
                for ids, vectors, metadatas in batches(store, group, batch_rows):
                    collection.add(ids, vectors, metadatas)
                    rows.advance(len(ids))
                    loaded(len(ids))
            files.advance(len(group))
    return total / max(time.monotonic() - started, 1e-9)


def groups(parts: Iterable[Part], batch_rows: int) -> Iterator[list[Part]]:
    """Yield parts that fill a batch together; one larger than a batch comes alone."""
    group: list[Part] = []
    for part in parts:
        if group and sum(p.rows for p in group) + part.rows > batch_rows:
            yield group
            group = []
        group.append(part)
    if group:
        yield group


def batches(
    store: Store, group: list[Part], batch_rows: int
) -> Iterator[tuple[list[str], np.ndarray, list[dict[str, Any]]]]:
    """Yield ids, vectors (float32 [N, D]) and metadata of a group in batches, N <= batch_rows."""
    ids: list[str] = []
    vectors: list[np.ndarray] = []
    metadatas: list[dict[str, Any]] = []
    columns = ["id", EMBEDDING, *_PLAIN, *store.fingerprint.attributes]
    for part in group:
        row = 0
        for piece in store.read(part, columns, batch_rows):
            if ids and len(ids) + len(piece) > batch_rows:
                yield ids, np.concatenate(vectors), metadatas
                ids, vectors, metadatas = [], [], []
            ids += piece["id"].to_pylist()
            vectors.append(matrix(piece))
            metadatas += _metadata(piece, part, row)
            row += len(piece)
        if row != part.rows:
            raise CollectionError(
                f"{store.folder.path(part.file)} has {row} rows, its shard's "
                f"commit marker says {part.rows}; embed that shard again"
            )
    if ids:
        yield ids, np.concatenate(vectors), metadatas


def _metadata(piece: pa.RecordBatch, part: Part, first: int) -> list[dict[str, Any]]:
    """Return Chroma's metadata of the rows; it has no null, and NaN is not JSON."""
    shard = int(part.file.split("/")[0].rpartition("-")[2])
    where = {"_shard": shard, "_part": part.file}
    names = [name for name in piece.schema.names if name not in {"id", EMBEDDING}]
    rows = zip(*(piece[name].to_pylist() for name in names), strict=True)
    return [
        {
            **{n: v for n, v in zip(names, row, strict=True) if not _missing(v)},
            **where,
            "_row": first + i,
        }
        for i, row in enumerate(rows)
    ]


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
