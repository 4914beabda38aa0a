"""Datasets that change, and what their stores should hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clipvec.delete import select
from clipvec.store import EMBEDDING, Entry, Rows, Store
from tests.data.making import encode
from tests.embed.conftest import Embed


def photos(folder: Path, count: int) -> Path:
    """Write images, each of another size in bytes."""
    folder.mkdir()
    for number in range(count):
        write_photo(folder / f"{number:02}.png", number)
    return folder


def write_photo(file: Path, number: int) -> None:
    file.write_bytes(encode((number, 9, 9), (8 + number, 6)))


def rows(store: str) -> dict[str, dict[str, Any]]:
    """Return the rows that readers see, by id, without what only their generation gives them."""
    found = Rows.open(store)
    names = [name for name in found.store.schema().names if name != "_source"]
    table = pa.Table.from_batches([piece for _, piece in found.pieces(names)])
    by_id = {row["id"]: row for row in table.to_pylist()}
    assert len(by_id) == len(table)
    return by_id


def assert_as_from_scratch(embed: Embed, store: str, tmp_path: Path, **options: Any) -> None:
    """Compare a store with one that was made of the same dataset at once."""
    fresh = embed(**{"store.root": tmp_path / "fresh", **options}).store
    mine, theirs = rows(store), rows(fresh)
    assert mine.keys() == theirs.keys()
    for id, row in theirs.items():
        # batches of another size round otherwise
        np.testing.assert_allclose(mine[id].pop(EMBEDDING), row.pop(EMBEDDING), atol=2e-3)
        assert mine[id] == row


def forever(store: str, *ids: str) -> str:
    """Delete images forever, and return the name of the deletion."""
    found = Store.open(store)
    digests = select.digests(found, {*ids})
    chosen = select.with_copies(found, {}, digests)
    return found.entries.add(Entry.now(None, chosen, blocked=digests))
