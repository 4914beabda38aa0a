"""Random single faults of a store: whoever reads it gets what was written, or an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipvec.check.run import check
from clipvec.errors import ClipvecError, IncompleteStoreError
from clipvec.index.build import committed_parts
from clipvec.store import Store
from tests.check.test_run import asked
from tests.stores import make_store, row

MARKERS = ["shard-00000/done.json", "shard-00001/done.json"]
CHECKED = [
    *MARKERS,
    "shard-00000/rejects.parquet",
    *(f"shard-0000{s}/part-0000{p}.parquet" for s, p in [(0, 0), (1, 0), (1, 1)]),
]
"""Files of which `clipvec check` compares every byte."""
FILES = ["store.json", *CHECKED]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of two shards, one of them with a reject."""
    root = tmp_path_factory.mktemp("random")
    writer = make_store(root / "store", {1: [5, 4]}, count=2).writer(0)
    writer.reject(0, "a", "toys.tar#a", "the file is empty (0 bytes)", "EmptyFile")
    writer.write_part([row(0, 1)], np.eye(1, 16, dtype=np.float32), stop=2)
    writer.commit({})
    return root


def read(root: Path) -> list[dict[str, Any]]:
    """Return all rows, as `clipvec index` takes them."""
    store = Store.open(f"{root}/store/toys/toy")
    parts = committed_parts(store, range(store.fingerprint.sharding_count), allow_partial=False)
    return [values for part in parts for piece in store.read(part) for values in piece.to_pylist()]


def is_told(root: Path) -> bool:
    try:
        return bool(check(asked(root, store_only=True)).faults)
    except ClipvecError:
        return True


def damaged(data: bytes, other: bytes, kind: str, place: float, bit: int) -> bytes | None:
    """Return a file with a fault at a place from 0 to 1; None: it is gone."""
    at = min(int(place * len(data)), len(data) - 1)
    return {
        "flipped": data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :],
        "cut": data[:at],
        "zeros": data[:at] + bytes(min(512, len(data) - at)) + data[at + 512 :],
        "longer": data + data[:at],
        "another": other,
        "gone": None,
    }[kind]


# The same examples each time, so that no push fails for what another one did.
@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.sampled_from(FILES),
    st.sampled_from(FILES),
    st.sampled_from(["flipped", "cut", "zeros", "longer", "another", "gone"]),
    st.floats(0, 1),
    st.integers(0, 7),
)
def test_a_random_fault(
    root: Path, name: str, other: str, kind: str, place: float, bit: int
) -> None:
    truth, store = read(root), root / "store/toys/toy"
    assert len(truth) == 10
    assert not is_told(root)
    file = store / name
    data = file.read_bytes()
    fault = damaged(data, (store / other).read_bytes(), kind, place, bit)
    try:
        file.unlink() if fault is None else file.write_bytes(fault)
        try:
            assert read(root) == truth
        except IncompleteStoreError:
            assert is_told(root) or fault is None
        except ClipvecError:
            assert is_told(root)
        open_again = name in MARKERS and fault is None
        assert is_told(root) or name not in CHECKED or fault == data or open_again
    finally:
        file.write_bytes(data)
