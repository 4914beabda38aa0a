"""Single faults of what a store says of its generations: no row is lost or doubled in silence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clipvec
from clipvec.check.run import check
from clipvec.config import ChromaConfig
from clipvec.errors import StoreError
from clipvec.index.build import build_index
from clipvec.store import Store
from tests.check.test_run import asked
from tests.embed.growing import photos, rows, write_photo
from tests.index.conftest import build_config
from tests.index.test_build import assert_equal
from tests.stores import edit, edit_fingerprint, flip

STORE = "store/toys/toy"


def embed(root: Path, weights: Path) -> None:
    clipvec.run_embed(
        **{
            "model": "local",
            "model.name": "toy",
            "model.pretrained": f"local-dir:{weights}",
            "dataset": "folder",
            "dataset.name": "toys",
            "dataset.path": root / "photos",
            "store.root": root / "store",
            "sharding.count": 2,
            "batch_size": 4,
        }
    )


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> dict[str, Path]:
    """Two folders with a store of three generations, and the photos that it is of."""
    found = {}
    for name, count in (("mine", 8), ("other", 6)):
        root = found[name] = tmp_path_factory.mktemp(name)
        folder = photos(root / "photos", count)
        for change in range(3):
            if change:
                write_photo(folder / f"new{change}.png", 20 + change)
                write_photo(folder / f"{change:02}.png", 30 + change)
                (folder / f"{3 + change:02}.png").unlink()
            embed(root, tiny_weights)
    return found


def plan(store: Path, number: int) -> Path:
    (found,) = store.glob(f"generations/{number:05}-*")
    return found


def mark(store: Path, number: int) -> Path:
    return store / f"generations/{number:05}.json"


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def from_other(store: Path, other: Path, number: int) -> None:
    """Take a generation of another store, whole."""
    shutil.copy(mark(other, number), mark(store, number))
    shutil.copy(plan(other, number), store / "generations")


def entries(store: Path, number: int | None = None) -> list[Path]:
    """Return what published a generation; None: all."""
    found = [(f, json.loads(f.read_text())["generation"]) for f in store.glob("tombstones/*")]
    return [file for file, of in found if number in {None, of}]


FAULTS: dict[str, Callable[[Path, Path], object]] = {
    "all gone": lambda store, other: shutil.rmtree(store / "generations"),
    "first gone": lambda store, other: mark(store, 0).unlink(),
    "newest gone": lambda store, other: mark(store, 2).unlink(),
    "cut": lambda store, other: cut(mark(store, 1)),
    "flipped": lambda store, other: flip(mark(store, 2), 60),
    "first says fewer sources": lambda store, other: edit(mark(store, 0), sources=7),
    "newest says fewer shards": lambda store, other: edit(mark(store, 2), count=0),
    "newest says more shards": lambda store, other: edit(mark(store, 2), count=3),
    "newest says more sources": lambda store, other: edit(mark(store, 2), sources=3),
    "exchanged": lambda store, other: shutil.copy(mark(store, 1), mark(store, 2)),
    "first of another store": lambda store, other: from_other(store, other, 0),
    "newest of another store": lambda store, other: from_other(store, other, 2),
    "plan gone": lambda store, other: plan(store, 0).unlink(),
    "plan cut": lambda store, other: cut(plan(store, 1)),
    "plan flipped": lambda store, other: flip(plan(store, 2), 99),
    "plan exchanged": lambda store, other: shutil.copy(plan(store, 0), plan(store, 2)),
    "store.json edited": lambda store, other: edit_fingerprint(
        store / "store.json", {"dtype": "float32"}
    ),
    "publication gone": lambda store, other: entries(store, 1)[0].unlink(),
    "all publications gone": lambda store, other: [f.unlink() for f in entries(store)],
    "publication cut": lambda store, other: cut(entries(store, 2)[0]),
}
EMBED_HEALS = {"publication gone", "all publications gone"}


@pytest.mark.parametrize("name", FAULTS)
def test_damaged_generations(
    grown: dict[str, Path], tiny_weights: Path, tmp_path: Path, name: str
) -> None:
    """Who reads rows has all and each once, or is told; a run of embed changes nothing wrong."""
    root = Path(shutil.copytree(grown["mine"], tmp_path / "root"))
    store, index = root / STORE, ChromaConfig(f"{root}/index")
    truth = rows(str(store))
    whole = {file: file.read_bytes() for file in store.rglob("*.*")}
    assert len(truth) == 8
    FAULTS[name](store, grown["other"] / STORE)
    command = build_config(root / "store", index)
    readers: list[Callable[[], Any]] = [
        lambda: rows(str(store)),
        lambda: [build_index(command), assert_equal(index, Store.open(str(store)))],
    ]
    told = []
    for read in readers:
        try:
            read()
        except StoreError as error:
            told.append(str(error))
    with pytest.raises(StoreError):
        check(asked(root, store_only=True)).raise_faults()
    if name in EMBED_HEALS:
        assert len(told) == len(readers)
        embed(root, tiny_weights)
    else:
        kept = {file: file.read_bytes() for file in store.rglob("*.*")}
        with pytest.raises(StoreError, match=r"put (the file that|what) was there back") as error:
            embed(root, tiny_weights)
        told.append(str(error.value))
        assert kept == {file: file.read_bytes() for file in store.rglob("*.*")}
        for file in kept.keys() - whole.keys():
            file.unlink()
        for file, data in whole.items():
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
    assert all("\n" not in line and str(store) in line for line in told)
    assert rows(str(store)) == truth
    assert check(asked(root, store_only=True)).faults == []
    build_index(command)
    assert_equal(index, Store.open(str(store)))


def replace_by(make: Callable[[Path], object], file: Path) -> None:
    file.unlink()
    make(file)


FIRST: dict[str, Callable[[Path], object]] = {
    "gone": Path.unlink,
    "gone with its folder": lambda file: shutil.rmtree(file.parent),
    "a pipe": lambda file: replace_by(os.mkfifo, file),
    "a device": lambda file: replace_by(lambda name: name.symlink_to("/dev/zero"), file),
}


@pytest.mark.parametrize("name", FIRST)
def test_the_only_generation(tiny_weights: Path, tmp_path: Path, name: str) -> None:
    """Without it nothing else tells what the shards are of; embed writes no other."""
    root, store = tmp_path, tmp_path / STORE
    photos(root / "photos", 4)
    embed(root, tiny_weights)
    command = build_config(root / "store", ChromaConfig(f"{root}/index"))
    FIRST[name](mark(store, 0))
    for read in (
        lambda: rows(str(store)),
        lambda: build_index(command),
        lambda: check(asked(root, store_only=True)).raise_faults(),
        lambda: embed(root, tiny_weights),
    ):
        with pytest.raises(
            StoreError, match=r"00000\.json is gone, .*; put the file that was there"
        ):
            read()
