"""Whatever is killed, the same command ends as one that was never killed."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clipvec import paths
from clipvec.compact.run import compact
from clipvec.config import (
    ChromaConfig,
    FaissConfig,
    IndexKind,
)
from clipvec.index import build_index
from clipvec.store import Store
from tests.compact.conftest import (
    NAME,
    Killed,
    asked,
    checked,
    count_writes,
    files,
    grep,
    live,
    named,
    thumbnail,
)
from tests.index.conftest import build_config
from tests.stores import delete, flip, undo


def test_killed_at_each_step(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was written last, the same command ends as one that was never killed."""
    index = ChromaConfig(f"{tmp_path}/none")
    gone = {0: named(0, 3), 1: named(0, 69), 2: named(1, 0)}
    undo(store, delete(store, gone[0]))
    delete(store, *gone.values())
    left = live(store).keys()
    origin, writes = tmp_path / "origin", count_writes(monkeypatch)
    shutil.copytree(store.url, origin)
    compact(asked(store, index))
    wanted, steps = files(Path(store.url)), writes[0]
    assert steps > 8
    for step in range(steps):
        shutil.rmtree(store.url)
        shutil.copytree(origin, store.url)
        writes[:] = [0, step]
        with pytest.raises(Killed):
            compact(asked(store, index))
        writes[:] = [0, -1]
        assert live(store).keys() == left, f"after step {step}"
        compact(asked(store, index))
        assert files(Path(store.url)) == wanted, f"killed at step {step}"


def test_killed_and_taken_back(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part without the row, which nobody committed, is not taken for that of the shard."""
    index, writes = ChromaConfig(f"{tmp_path}/none"), count_writes(monkeypatch)
    name = delete(store, named(0, 3))
    writes[:] = [0, 1]
    with pytest.raises(Killed):
        compact(asked(store, index))
    writes[1] = -1
    undo(store, name)
    (left,) = Path(store.url).glob("shard-*/part-*-*")
    kept = tmp_path / "kept"
    shutil.copytree(store.url, kept)
    assert str(compact(asked(store, index))).startswith("nothing to compact")
    assert not left.exists()
    shutil.rmtree(store.url)
    shutil.copytree(kept, store.url)
    Path(store.url, paths.ShardPaths(0).done).unlink()
    flip(Path(store.url, paths.ShardPaths(0).part(0)), 99)
    assert Store.open(store.url).writer(0).rows == 0
    shutil.rmtree(store.url)
    shutil.copytree(kept, store.url)
    assert named(0, 3) in Store.open(store.url).writer(0).ids()


@pytest.mark.parametrize("step", range(4))
def test_killed_while_an_index_is_swapped(
    store: Store, index: IndexKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    build_index(build_config(tmp_path, index))
    delete(store, named(0, 3))
    needles = named(0, 3).encode(), thumbnail(0, 3)
    if isinstance(index, FaissConfig):
        (tmp_path / "index" / NAME / "next").mkdir()
        (tmp_path / "index" / NAME / "next" / "old.codes").write_bytes(needles[0])
    steps = [0]

    def killing(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Path, *given: Any, **options: Any) -> Any:
            if NAME in str(self) and (self.is_dir() or self.suffix == ".json"):
                steps[0] += 1
                if steps[0] == step + 1:
                    raise Killed
            return method(self, *given, **options)

        return call

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killing(Path.rename))
        patched.setattr(Path, "replace", killing(Path.replace))
        patched.setattr(shutil, "rmtree", killing(shutil.rmtree))
        with contextlib.suppress(Killed):
            compact(asked(store, index))
    compact(asked(store, index))
    assert grep(tmp_path, *needles) == []
    assert checked(store, index) == []
    assert str(compact(asked(store, index))) == f"nothing to compact in {store.url}"


def test_what_writers_left(store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    delete(store, named(0, 3))
    folder = Path(store.url)
    left, busy = [
        [folder / place / f".{name}.tmp" for place in ("shard-00001", paths.TOMBSTONES)]
        for name in ("left", "busy")
    ]
    for file in [*left, *busy]:
        file.write_bytes(b"half")
    for file in left:
        os.utime(file, (1, 1))
    ledger = paths.ShardPaths(1).rejects
    flip(folder / ledger, 9)
    compact(asked(store, ChromaConfig(f"{tmp_path}/none")))
    assert [file.exists() for file in [*left, *busy]] == [False, False, True, True]
    (said,) = [text for text in caplog.messages if ledger in text]
    assert said.endswith("and may name deleted rows: clipvec check says more")
