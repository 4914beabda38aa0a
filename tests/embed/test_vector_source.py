"""Where vectors come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import clipvec
from clipvec.store import Store, matrix


def drawn(root: Path, **options: object) -> np.ndarray:
    summary = clipvec.run_embed(
        **{
            "experiment": "synthetic",
            "dataset.dim": 32,
            "dataset.clusters": 50,
            "dataset.rows": 9000,
            "store.root": root,
            **options,
        }
    )
    store = Store.open(summary.store)
    pieces = [piece for part in store.parts() for piece in store.read(part, ["embedding"])]
    return np.concatenate([matrix(piece) for piece in pieces])


def test_synthetic_vectors_do_not_depend_on_the_sharding(tmp_path: Path) -> None:
    """Nor on batches and parts, which begin within blocks of rows."""
    many = {"sharding.count": 7, "batch_size": 100, "part_rows": 200}
    whole = drawn(tmp_path / "one", **{"sharding.count": 1})
    assert whole.shape == (9000, 32)
    np.testing.assert_array_equal(drawn(tmp_path / "many", **many), whole)
