"""Single faults of a FAISS index: each is told by whatever reads it, and its mend heals."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clipvec.check.run import check
from clipvec.config import CheckConfig, FaissConfig
from clipvec.errors import ClipvecError, CollectionError, StoreError
from clipvec.index import open_index
from clipvec.index.build import build_index
from clipvec.store import Store
from tests.check.test_run import asked
from tests.faults.readers import READERS, nearest
from tests.index.conftest import build_config
from tests.index.test_build import NAME, assert_equal
from tests.stores import edit, flip, make_store


def where(root: Path) -> FaissConfig:
    return FaissConfig(f"{root}/index", factory="IVF4,SQ8", nprobe=4)


def build(root: Path, rebuild: bool = False) -> None:
    build_index(build_config(root / "store", where(root), rebuild=rebuild))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two folders with a store and its index."""
    found = {}
    for seed, name in enumerate(("mine", "other")):
        root = found[name] = tmp_path_factory.mktemp(name)
        make_store(root / "store", {0: [90, 70], 1: [80]}, dim=16, seed=seed)
        build(root)
    return found


def files(root: Path) -> dict[str, Path]:
    """Return the files of an index by name."""
    return {file.name: file for file in (root / "index" / NAME).rglob("*.*")}


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-5])


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


KINDS: dict[str, Callable[[Path, Path], object]] = {
    "gone": lambda file, other: file.unlink(),
    "a pipe": lambda file, other: pipe(file),
    "cut": lambda file, other: cut(file),
    "flipped": lambda file, other: flip(file, file.stat().st_size // 2),
    "of another index": lambda file, other: shutil.copy(other, file),
}
EDITS = {"factory": "Flat", "files": {}, "parts": [], "search": {"nprobe": "x"}, "build_id": 7}
OPENED = ("index.json", "trained.faiss", "sizes.npy", "lists.bin", "rows.json", "rows.arrow")
"""Files of which every byte is compared when an index is opened."""
FAULTS = [
    *((name, kind) for name in OPENED for kind in KINDS),
    *(("vectors.npy", kind) for kind in ("gone", "cut", "a pipe")),
    *(("index.json", key) for key in EDITS),
]


@pytest.mark.parametrize(("name", "kind"), FAULTS)
def test_a_damaged_index(built: dict[str, Path], tmp_path: Path, name: str, kind: str) -> None:
    root = Path(shutil.copytree(built["mine"], tmp_path / "root"))
    file = files(root)[name]
    if kind in EDITS:
        edit(file, **{kind: EDITS[kind]})
    else:
        KINDS[kind](file, files(built["other"])[name])
    for read in READERS.values():
        with pytest.raises(CollectionError, match=r"--rebuild|clipvec index makes one"):
            read(root, kind="faiss")
    if (name, kind) not in {("index.json", "gone"), ("index.json", "a pipe")}:  # which is no index
        with pytest.raises(CollectionError, match="--rebuild"):
            build(root)
        with pytest.raises(StoreError, match="fault in"):
            check(checked(root)).raise_faults()
    build(root, rebuild=True)
    assert_equal(where(root), Store.open(f"{root}/store/toys/toy"))
    assert READERS["serve"](root, kind="faiss") == nearest(root)
    assert check(checked(root)).faults == []


def checked(root: Path) -> CheckConfig:
    return asked(root, index={"kind": "faiss", "path": f"{root}/index"})


@pytest.mark.parametrize("kind", ["flipped", "of another index"])
def test_damaged_vectors(built: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """To compare them takes as long as to search them all: that is for clipvec check."""
    root = Path(shutil.copytree(built["mine"], tmp_path / "root"))
    KINDS[kind](files(root)["vectors.npy"], files(built["other"])["vectors.npy"])
    (fault, *_) = check(checked(root)).faults
    assert "vectors.npy changed after clipvec index wrote it); rebuild it with" in fault
    build(root, rebuild=True)
    assert check(checked(root)).faults == []


def test_a_bit_flipped_anywhere(built: dict[str, Path]) -> None:
    found, rng = files(built["mine"]), random.Random(0)
    for name in OPENED:
        whole = found[name].read_bytes()
        for _ in range(25):
            data = bytearray(whole)
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            found[name].write_bytes(data)
            with pytest.raises(ClipvecError):
                open_index(where(built["mine"]))
        found[name].write_bytes(whole)
    with open_index(where(built["mine"])) as index:
        assert index.count() == 240


@pytest.mark.parametrize("name", READERS)
def test_a_whole_index(built: dict[str, Path], tmp_path: Path, name: str) -> None:
    """The readers of the other tests answer where nothing is damaged."""
    root = Path(shutil.copytree(built["mine"], tmp_path / "root"))
    assert READERS[name](root, kind="faiss") == nearest(root)
