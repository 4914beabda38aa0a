"""Thumbnails by part and id, and how many of others are kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clipvec.store import Store, thumbnails
from tests.stores import make_store, row


def several(tmp_path: Path, size: int) -> Store:
    """Two parts of 600 rows of the same ids, with thumbnails of ``size`` bytes."""
    store = make_store(tmp_path, {}, count=2)
    for shard in (0, 1):
        writer = store.writer(shard)
        rows = [row(0, number, f"{shard} {number}".encode().ljust(size)) for number in range(600)]
        writer.write_part(rows, store_vectors(600), 600)
        writer.commit({})
    return store


def store_vectors(rows: int) -> np.ndarray:
    """Unit vectors, float32 [rows, 16]."""
    return np.repeat(np.eye(1, 16, dtype=np.float32), rows, axis=0)


def test_a_row_of_another_part_is_another_row(tmp_path: Path) -> None:
    store = several(tmp_path, 10)
    one, two = (part.file for part in store.parts())
    found = thumbnails.read(store.url, [(two, 3, "0/3"), (one, 4, "0/4")], spare=10**6)
    assert found[thumbnails.key(one, "0/3")] == b"0 3       "
    assert found[thumbnails.key(two, "0/3")] == b"1 3       "
    assert len(found) == 512  # a row group of each


def test_a_rewritten_part_is_searched_by_id(tmp_path: Path) -> None:
    store = several(tmp_path, 10)
    part = store.parts()[0].file
    found = thumbnails.read(store.url, [(part, 5, "0/7"), (part, 6, "nobody")])
    assert found == {thumbnails.key(part, "0/7"): b"0 7       "}


def test_thumbnails_of_other_rows_are_few(tmp_path: Path) -> None:
    store = several(tmp_path, 1000)
    parts = [part.file for part in store.parts()]
    wanted = [(part, number, f"0/{number}") for part in parts for number in (5, 300, 599)]
    keys = {thumbnails.key(part, id) for part, _, id in wanted}
    assert thumbnails.read(store.url, wanted).keys() == keys
    found = thumbnails.read(store.url, wanted, spare=4500)
    assert keys < found.keys()
    assert len(found) == len(keys) + 4
