"""Random deletions, and indexing that is interrupted: index and store agree in the end.

``python -m benchmarks.growth_sequences`` takes such steps and more, and kills real commands.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import numpy as np
import pytest

from clipvec.check.run import check
from clipvec.config import ChromaConfig
from clipvec.index.build import build_index
from clipvec.index.chroma.writer import CollectionWriter
from clipvec.store import Store
from tests.check.test_run import asked
from tests.index.conftest import build_config
from tests.index.test_build import assert_equal, rows_of
from tests.stores import delete, make_store, undo, write_shard

SHARDS = {0: [12, 8], 1: [10], 2: [6, 6]}
ALL = {f"{shard}/{number}" for shard, parts in SHARDS.items() for number in range(sum(parts))}


class Sequence:
    """Random steps on a store and its index, and what should be left."""

    def __init__(self, root: Path, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.store = make_store(root / "store", SHARDS)
        self.config = build_config(root / "store", ChromaConfig(f"{root}/index"))
        self.deleted: dict[str, set[str]] = {}
        """Ids by the deletion that is in force."""

    @property
    def left(self) -> set[str]:
        return ALL.difference(*self.deleted.values())

    def delete(self) -> None:
        ids = self.rng.choice(sorted(self.left), min(5, len(self.left)), replace=False).tolist()
        if ids:
            self.deleted[delete(self.store, *ids)] = set(ids)
            del self.store.tombstones

    def undo(self) -> None:
        if self.deleted:
            name = str(self.rng.choice(sorted(self.deleted)))
            undo(self.store, name)
            del self.deleted[name]

    def embed_again(self) -> None:
        """With other parts, as after another ``part_rows``."""
        shard = int(self.rng.integers(len(SHARDS)))
        rows = sum(SHARDS[shard])
        first = int(self.rng.integers(1, rows))
        shutil.rmtree(Path(self.store.url, f"shard-{shard:05d}"))
        write_shard(self.store, shard, [first, rows - first])

    def index(self) -> None:
        build_index(self.config)

    def interrupt_index(self) -> None:
        """At one of the writes to the index, if it comes to that."""
        left = int(self.rng.integers(6))

        def counted(name: str) -> None:
            inner = getattr(CollectionWriter, name)

            def call(*arguments: object) -> object:
                nonlocal left
                left -= 1
                if left < 0:
                    raise KeyboardInterrupt
                return inner(*arguments)

            patch.setattr(CollectionWriter, name, call)

        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            for name in ("delete", "drop", "add"):
                counted(name)
            build_index(self.config)

    def check(self) -> None:
        assert set(rows_of(Store.open(self.store.url))) == self.left


def run(root: Path, seed: int) -> None:
    """Take twelve random steps, index once more, and compare every row."""
    steps = Sequence(root, seed)
    for _ in range(12):
        chosen = [steps.delete, steps.delete, steps.undo, steps.embed_again]
        chosen += [steps.index, steps.interrupt_index]
        chosen[steps.rng.integers(len(chosen))]()
        steps.check()
    build_index(steps.config)
    assert_equal(ChromaConfig(f"{root}/index"), Store.open(steps.store.url))
    assert check(asked(root)).faults == []
    again = build_index(steps.config)
    assert (again.loaded, again.replaced, again.dropped, again.deleted) == (0, 0, 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_steps(tmp_path: Path, seed: int) -> None:
    run(tmp_path, seed)
