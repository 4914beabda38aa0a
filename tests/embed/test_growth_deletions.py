"""Deleted images of datasets that change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from clipvec.store import Store, joining, live_rejects
from tests.data.making import samples, write_tar
from tests.embed.conftest import Embed
from tests.embed.growing import forever, photos, rows, write_photo
from tests.stores import delete, undo


def test_a_deleted_image_stays_deleted(embed: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 9)
    store = embed().store
    name = delete(Store.open(store), "01.png", "02.png", "03.png", reason="asked for")
    os.utime(folder / "01.png", (1, 1))
    (folder / "02.png").rename(folder / "elsewhere.png")
    write_photo(folder / "03.png", 50)  # another image
    embed()
    assert rows(store).keys() & {"01.png", "02.png", "03.png", "elsewhere.png"} == {"03.png"}
    kept = [e for e in Store.open(store).tombstones.active.values() if e.reason == "asked for"]
    assert sum(entry.rows for entry in kept) == 5
    undo(Store.open(store), name)
    assert rows(store).keys() == {f"{n:02}.png" for n in range(9) if n != 2} | {"elsewhere.png"}


def test_a_copy_of_a_deleted_image_stays(embed: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 9)
    for name in ("copy.png", "moved.png"):
        shutil.copy(folder / "00.png", folder / name)
    store = embed().store
    delete(Store.open(store), "copy.png", "moved.png")
    left = rows(store).keys()
    for file in folder.iterdir():
        os.utime(file, (1, 1))
    (folder / "moved.png").rename(folder / "elsewhere.png")
    embed()
    assert rows(store).keys() == left
    for name in ("00.png", "copy.png"):  # nobody knows any more which is which
        (folder / name).rename(folder / f"renamed-{name}")
    embed()
    assert rows(store).keys() == left - {"00.png"} | {"renamed-00.png", "renamed-copy.png"}


def test_a_copy_of_a_deleted_sample_stays(embed: Embed, tmp_path: Path) -> None:
    same = samples(0, 1)[0][1]
    held = [("1.png", same), ("2.png", same), *samples(3, 1)]
    write_tar(tmp_path / "h.tar", held)
    options = {"dataset": "webdataset", "dataset.path": f"{tmp_path}/h.tar", "sharding.count": 1}
    store = embed(**options).store
    assert rows(store).keys() == {"h/1", "h/2", "h/000000003"}
    delete(Store.open(store), "h/2")
    write_tar(tmp_path / "h.tar", [*held, *samples(4, 1)])
    embed(**options)
    assert rows(store).keys() == {"h/1", "h/000000003", "h/000000004"}


@pytest.mark.parametrize("joined", [False, True])
def test_what_was_deleted_forever_comes_back(embed: Embed, tmp_path: Path, joined: bool) -> None:
    folder = photos(tmp_path / "photos", 9)
    store = embed().store
    whole = rows(store).keys()
    name, other = forever(store, "00.png", "01.png"), forever(store, "02.png")
    os.utime(folder / "00.png", (1, 1))
    shutil.copy(folder / "01.png", folder / "copy.png")
    shutil.copy(folder / "02.png", folder / "other.png")
    assert embed().rejects == 3
    if joined:
        write_photo(folder / "20.png", 20)
        embed()
        settled = Store.open(store)
        joining.finish(settled, joining.plan(settled, joining.find(settled)))
    assert "nothing to do" in str(embed())
    undo(Store.open(store), name)
    done = embed()
    assert (done.timings.images, done.rejects) == (2, 0)
    back = whole - {"02.png"} | {"copy.png"}
    assert rows(store).keys() == (back | {"20.png"} if joined else back)
    assert "nothing to do" in str(embed())
    undo(Store.open(store), other)
    assert (embed().timings.images, rows(store).keys() >= whole | {"other.png"}) == (1, True)
    assert [*live_rejects(Store.open(store), Store.open(store).generations.all())] == []


def test_a_sample_that_was_deleted_forever_comes_back(embed: Embed, tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", samples(0, 3))
    options = {"dataset": "webdataset", "dataset.path": f"{tmp_path}/*.tar", "sharding.count": 1}
    store = embed(**options).store
    name = forever(store, "a/000000001")
    same = samples(1, 1)[0][1]
    write_tar(tmp_path / "b.tar", [("x.jpg", same), *samples(20, 2)])
    assert embed(**options).rejects == 1
    assert "nothing to do" in str(embed(**options))
    undo(Store.open(store), name)
    assert embed(**options).known == 2
    assert "b/x" in rows(store)
