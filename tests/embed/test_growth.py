"""Stores of datasets that change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clipvec import paths
from clipvec.delete import select
from clipvec.embed import growth, run
from clipvec.embed.work import Work
from clipvec.errors import (
    ClipvecError,
    ConfigError,
    DatasetError,
    Interrupted,
    SchemaError,
    StoreError,
    TooManyRejects,
)
from clipvec.store import EMBEDDING, Entry, Folder, Generation, Rows, Store, joining, live_rejects
from clipvec.store.generations import Generations
from tests.data.making import encode, samples, write_tar
from tests.embed.conftest import Embed
from tests.fake_hub import REPO, fake_hub
from tests.stores import delete, edit, flip, undo


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


def test_new_changed_moved_and_gone(
    embed: Embed, encoded: list[int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = photos(tmp_path / "photos", 20)
    (folder / "07.txt").write_text("seven")
    store = embed().store
    assert "nothing to do" in str(embed())
    encoded.clear()
    write_photo(folder / "20.png", 20)
    write_photo(folder / "03.png", 30)
    (folder / "04.png").rename(folder / "moved.png")
    (folder / "05.png").unlink()
    (folder / "07.txt").write_text("seven again")
    caplog.set_level("INFO")
    done = embed()
    said = (
        "it: 1 new, 2 changed, 1 moved, 1 gone since it was last embedded; generation 1 has 1 shard"
    )
    assert said in caplog.messages
    assert encoded == [1, 2]
    assert (done.timings.images, done.known, done.replaced) == (4, 2, 4)
    markers = Store.open(store).committed().values()
    assert sum(each.embedded for each in markers) == 20 + 2
    assert "4 images (2 of them embedded before)" in str(done)
    assert "4 rows replaced or gone" in str(done)
    assert rows(store)["07.png"]["caption"] == "seven again"
    assert_as_from_scratch(embed, store, tmp_path)
    assert "nothing to do: 4 shards" in str(embed())


def test_the_same_bytes_are_not_embedded_again(
    embed: Embed, encoded: list[int], tmp_path: Path
) -> None:
    folder = photos(tmp_path / "photos", 9)
    store = embed().store
    encoded.clear()
    for file in folder.iterdir():
        os.utime(file, (1, 1))
    for file in [*folder.glob("0[0-4].png")]:  # more than max_removed_fraction of them
        file.rename(folder / f"{file.stem}-renamed.png")
    assert embed().known == 9
    assert encoded == [1]
    assert_as_from_scratch(embed, store, tmp_path)


def test_tars(embed: Embed, encoded: list[int], tmp_path: Path) -> None:
    folder = tmp_path / "tars"
    for number in range(3):
        write_tar(folder / f"{number}.tar", samples(10 * number, 4))
    options = {"dataset": "webdataset", "dataset.path": f"{folder}/*.tar"}
    store = embed(**options).store
    encoded.clear()
    write_tar(folder / "1.tar", samples(11, 5))  # one is gone, two are new
    write_tar(folder / "3.tar", samples(30, 4))
    done = embed(**options)
    assert (sum(encoded) - 1, done.known, done.replaced) == (6, 3, 4)
    assert_as_from_scratch(embed, store, tmp_path, **options)


def test_parquet(embed: Embed, encoded: list[int], tmp_path: Path) -> None:
    from pyarrow import parquet

    folder = tmp_path / "parquet"
    folder.mkdir()

    def write(name: str, first: int) -> None:
        keys, images = range(first, first + 6), [encode((k, 0, 0)) for k in range(first, first + 6)]
        table = pa.table({"image": images, "key": [f"k{key}" for key in keys]})
        parquet.write_table(table, folder / name)

    write("b.parquet", 0)
    options = {"dataset": "parquet", "dataset.path": f"{folder}/*", "dataset.id": "key"}
    store = embed(**options).store
    encoded.clear()
    write("a.parquet", 6)
    embed(**options)
    write("b.parquet", 20)
    assert embed(**options).replaced == 6
    assert sum(encoded) - 2 == 12
    assert_as_from_scratch(embed, store, tmp_path, **options)


def test_parquet_on_the_hub(
    embed: Embed, encoded: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new revision adds, replaces and removes files, which their hashes tell."""
    from pyarrow import parquet

    def written(first: int) -> bytes:
        images = [encode((first + number, 0, 0)) for number in range(3)]
        parquet.write_table(pa.table({"image": images}), tmp_path / "made.parquet")
        return (tmp_path / "made.parquet").read_bytes()

    files = {
        f"data/{name}.parquet": written(first) for name, first in zip("abc", (0, 3, 6), strict=True)
    }
    path = f"hf://datasets/{REPO}/data/*.parquet"
    options = {"dataset": "parquet", "dataset.path": path, "max_removed_fraction": 1}
    with fake_hub(files, monkeypatch):
        store = embed(**options).store
        assert rows(store)["a/0"]["uri"] == f"hf://datasets/{REPO}/data/a.parquet#0"
        assert "nothing to do" in str(embed(**options))
        encoded.clear()
        size = len(files["data/b.parquet"])
        same = next(data for first in range(20, 90) if len(data := written(first)) == size)
        files["data/b.parquet"], files["data/d.parquet"] = same, written(12)
        del files["data/c.parquet"]
        assert embed(**options).replaced == 6
        assert sum(encoded) - 1 == 6
        assert {id[0] for id in rows(store)} == {*"abd"}
        assert_as_from_scratch(embed, store, tmp_path, **options)


def test_a_folder_that_is_not_there_removes_nothing(
    embed: Embed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = photos(tmp_path / "photos", 10)
    store = embed().store
    whole = rows(store)
    shutil.copytree(folder, tmp_path / "kept")
    for number in range(4):
        (folder / f"{number:02}.png").unlink()
    with pytest.raises(ConfigError, match=r"4 of 10 sources are gone.*max_removed_fraction=0\.4;"):
        embed()
    caplog.set_level("INFO")
    assert embed(**{"dataset.keep_removed": True}).replaced == 0
    assert "it: 4 sources gone; dataset.keep_removed=true keeps the rows" in caplog.messages
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "kept", folder)
    for file in folder.iterdir():
        file.write_bytes(b"")
    with pytest.raises(ConfigError, match=r"10 of 10 .*gone \(empty: 00\.png and 9 more\), m"):
        embed()
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(DatasetError, match="no images in it"):
        embed()
    assert rows(store) == whole
    folder.rmdir()
    (tmp_path / "kept").rename(folder)
    (folder / "00.png").unlink()
    assert embed().replaced == 1
    assert rows(store).keys() == whole.keys() - {"00.png"}


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (None, r"it: 12 of 18 rows are gone, more than .* give max_removed_fraction=0\.67; d"),
        (b"", r"12 of 18 rows are gone \(empty: 9\.tar\), more"),
    ],
)
def test_a_tar_that_holds_most_rows(
    embed: Embed, tmp_path: Path, kept: bytes | None, said: str
) -> None:
    folder = tmp_path / "tars"
    for number in range(6):
        write_tar(folder / f"{number}.tar", samples(10 * number, 1))
    write_tar(folder / "9.tar", samples(90, 12))
    options = {"dataset": "webdataset", "dataset.path": f"{folder}/*.tar"}
    store = embed(**options).store
    whole, data = rows(store), (folder / "9.tar").read_bytes()
    if kept is None:
        (folder / "9.tar").unlink()
    else:
        (folder / "9.tar").write_bytes(kept)
    with pytest.raises(ConfigError, match=said):
        embed(**options)
    assert rows(store) == whole
    (folder / "9.tar").write_bytes(data)
    (folder / "0.tar").unlink()
    assert embed(**options, max_removed_fraction=0.15).replaced == 13


def test_files_of_the_same_rows_that_became_smaller(embed: Embed, tmp_path: Path) -> None:
    from pyarrow import parquet

    rows = pa.table(
        {"image": [encode((k, 0, 0)) for k in range(8)], "text": ["many words " * 99] * 8}
    )
    options = {"dataset": "parquet", "dataset.path": f"{tmp_path}/*.parquet"}
    for kind in ("none", "zstd"):
        for name in ("a", "b"):
            parquet.write_table(
                *(rows, tmp_path / f"{name}.parquet"), compression=kind, use_dictionary=False
            )
        done = embed(**options)
        assert (done.timings.images, done.rejects) == (16, 0)
    assert done.known == 16


def test_another_folder_of_the_same_name(embed: Embed, tmp_path: Path) -> None:
    drives = [tmp_path / "one", tmp_path / "two"]
    for drive in drives:
        drive.mkdir()
    one, other = (photos(drive / "DCIM", 6) for drive in drives)
    embed(**{"dataset.name": "DCIM", "dataset.path": one})
    with pytest.raises(ConfigError) as caught:
        embed(**{"dataset.name": "DCIM", "dataset.path": other})
    assert str(caught.value) == (
        f"the store {tmp_path}/store/DCIM/local is of the images in {one}, not of those in "
        f"{other}; give these a name of their own, such as dataset.name=two-DCIM"
    )
    embed(**{"dataset.name": "two-DCIM", "dataset.path": other})
    (tmp_path / "link").symlink_to(one.parent)
    linked = embed(**{"dataset.name": "DCIM", "dataset.path": tmp_path / "link/DCIM"})
    assert str(linked).startswith("nothing to do")


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


def forever(store: str, *ids: str) -> str:
    """Delete images forever, and return the name of the deletion."""
    found = Store.open(store)
    digests = select.digests(found, {*ids})
    chosen = select.with_copies(found, {}, digests)
    return found.entries.add(Entry.now(None, chosen, blocked=digests))


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


def test_images_of_a_manifest_that_are_not_there(embed: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 9)
    lines = ["file,caption", *(f"{n:02}.png,no {n}" for n in range(9)), ",none"]
    (folder / "all.csv").write_text("\n".join(lines))
    options = {"dataset.manifest": "all.csv"}
    store = embed(**options).store
    whole = rows(store)
    assert whole["04.png"]["caption"] == "no 4"
    (folder / "all.csv").write_text("\n".join([*lines, "09.png,later"]))
    for number in range(3):
        (folder / f"{number:02}.png").unlink()
    with pytest.raises(ConfigError, match="3 of 10 sources are gone"):
        embed(**options)
    assert embed(**options, max_removed_fraction=0.5).replaced == 3
    assert rows(store).keys() == whole.keys() - {"00.png", "01.png", "02.png"}


def test_names_do_not_depend_on_the_files(embed: Embed, tmp_path: Path) -> None:
    folder = tmp_path / "tars"
    write_tar(folder / "2025" / "0.tar", samples(0, 4))
    options = {"dataset": "webdataset", "dataset.path": f"{folder}/*/*.tar", "sharding.count": 1}
    store = embed(**options).store
    before = rows(store)
    write_tar(folder / "2026" / "0.tar", samples(10, 4))
    assert embed(**options).replaced == 0
    assert rows(store).keys() > before.keys()


def test_what_is_planned_never_stops_what_follows(
    embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "tars"
    for number in range(2):
        write_tar(folder / f"{number}.tar", samples(10 * number, 4))
    options = {"dataset": "webdataset", "dataset.path": f"{folder}/*.tar*", "sharding.count": 8}
    store = embed(**options).store
    # more shards than it has records, and it cannot be cut
    write_tar(folder / "2.tar.gz", samples(20, 9), "w:gz")
    write_tar(folder / "3.tar", samples(30, 9))
    with monkeypatch.context() as patch:
        patch.setattr("clipvec.embed.run.check_gpus", _kill)
        with pytest.raises(Interrupted):
            embed(**options)
    (folder / "3.tar").unlink()
    broken = [("a.jpg", b"\xff\xd8\xff"), ("b.jpg", b"\xff\xd8\xff")]
    write_tar(folder / "4.tar", broken)
    done = embed(**options, max_removed_fraction=0.5)
    assert done.rejects == 2
    assert len(rows(store)) == 8 + 9
    write_tar(folder / "4.tar", samples(40, 2))
    embed(**options, max_removed_fraction=0.5)
    assert len(rows(store)) == 8 + 9 + 2


@pytest.mark.parametrize("killed", ["planned", "begun", "committed"])
def test_a_generation_is_finished_before_the_next(
    embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    folder = photos(tmp_path / "photos", 9)
    store = embed().store
    before = rows(store)
    for number in range(20, 27):
        write_photo(folder / f"{number}.png", number)
    (folder / "00.png").unlink()
    with monkeypatch.context() as patch:
        if killed == "committed":
            patch.setattr(Work, "publish", _kill)
        else:
            patch.setattr("clipvec.embed.run.check_gpus", _kill)
        with pytest.raises(Interrupted):
            embed()
    if killed == "begun":
        embed(shards=1)
    assert rows(store) == before  # all at once, at the end
    write_photo(folder / "30.png", 30)
    write_photo(folder / "20.png", 31)
    done = embed()
    assert [Store.open(store).generations.get(n).count for n in range(3)] == [3, 2, 1]
    assert "30.png" in rows(store)
    assert done.replaced == 2
    assert_as_from_scratch(embed, store, tmp_path)


@pytest.mark.parametrize("planned", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_a_damaged_part_of_files_that_were_moved(
    embed: Embed, tmp_path: Path, count: int, planned: bool
) -> None:
    """They are left out where its mend embeds it again, also if they are all that it had."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("d0", "d1"):
        photos(folder / name, 12)
    options = {"sharding.count": count}
    shard = Path(embed(**options).store, "shard-00000")
    flip(shard / "part-00000.parquet", 450)
    (folder / "d0").rename(folder / "d9")
    if planned:
        with pytest.raises(StoreError, match=rf"remove {shard}/done\.json and embed shards=0 aga"):
            embed(**options)
    (shard / "done.json").unlink()
    embed(shards="0", **options)
    store = embed(**options).store
    assert len(rows(store)) == 24
    assert_as_from_scratch(embed, store, tmp_path, **options)


def test_a_damaged_part_of_files_that_are_not_there(embed: Embed, tmp_path: Path) -> None:
    """As where a disk is not mounted: they may come back, and so they hold it up."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("d0", "d1"):
        photos(folder / name, 12)
    shard = Path(embed(**{"sharding.count": 1}).store, "shard-00000")
    for lost in ("done.json", "part-00000.parquet"):
        (shard / lost).unlink()
    (folder / "d0").rename(tmp_path / "unmounted")
    with pytest.raises(TooManyRejects, match=r"^12 of 24 images of shard 0 .*12 FileNotFoundError"):
        embed(**{"sharding.count": 1})
    assert not (shard / "done.json").exists()


def test_what_another_command_planned_meanwhile_is_what_is_embedded(
    embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder was listed before there was a store, and has more images since."""
    folder = photos(tmp_path / "photos", 8)
    load = run._load

    def load_late(*args: Any) -> Any:
        monkeypatch.setattr(run, "_load", load)
        for number in (20, 21):
            write_photo(folder / f"{number}.png", number)
        (folder / "00.png").unlink()
        with monkeypatch.context() as patch:
            patch.setattr(run._Session, "_embed", _kill)
            with pytest.raises(Interrupted):
                embed()
        return load(*args)

    monkeypatch.setattr(run, "_load", load_late)
    store = embed().store
    assert_as_from_scratch(embed, store, tmp_path)


def test_who_plans_second_is_told(
    embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = photos(tmp_path / "photos", 3)
    store = embed().store
    write_photo(folder / "20.png", 20)
    shards = growth._shards

    def cut_late(*args: Any) -> int:
        with monkeypatch.context() as patch:
            patch.setattr(growth, "_shards", shards)
            patch.setattr(run._Session, "_embed", _kill)
            with pytest.raises(Interrupted):
                embed()
        return shards(*args)

    caplog.set_level("INFO")
    with monkeypatch.context() as patch:
        patch.setattr(growth, "_shards", cut_late)
        patch.setattr(run._Session, "_embed", _kill)
        with pytest.raises(Interrupted):
            embed()
    planned = [said for said in caplog.messages if "generation 1" in said]
    assert planned[0] == "it: 1 new since it was last embedded; generation 1 has 1 shard"
    assert planned[1].startswith("it: another command planned generation 1 meanwhile; if it is at")
    caplog.clear()
    embed()
    by = "it: generation 1 (1 source) was planned by a command that ended, or is at work still: "
    assert f"{by}it is finished first" in caplog.messages
    assert len(rows(store)) == 4


@pytest.mark.parametrize(("shards", "warned"), [("all", True), ("0-1", False)])
def test_who_begins_second_is_told_if_both_want_the_same(
    embed: Embed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    shards: str,
    warned: bool,
) -> None:
    photos(tmp_path / "photos", 3)
    plan = growth._plan

    def plan_late(*args: Any) -> pa.Table:
        monkeypatch.setattr(growth, "_plan", plan)
        embed(shards="2")
        return plan(*args)

    monkeypatch.setattr(growth, "_plan", plan_late)
    embed(shards=shards)
    assert ("another command planned generation 0 meanwhile" in caplog.text) == warned


def _kill(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_generation_of_a_newer_version(embed: Embed, tmp_path: Path) -> None:
    photos(tmp_path / "photos", 3)
    edit(Path(embed().store, paths.generation(0)), schema_version=4)
    said = r"reads schema 3; update clipvec, or use the version that wrote it$"
    with pytest.raises(SchemaError, match=said):
        embed()


def test_damaged_files_of_a_generation(embed: Embed, tmp_path: Path) -> None:
    photos(tmp_path / "photos", 3)
    store = Store.open(embed().store)
    plan = Path(store.url, store.generations.newest().plan)
    file = Path(store.url, paths.generation(0))
    for damaged, content, said in (
        (plan, plan.read_bytes()[:-1] + b"x", "its checksum is another"),
        (plan, None, "is missing or damaged"),
        (file, b"{}", "has no schema number, this clipvec reads schema "),
        (file, file.read_bytes().replace(b"parquet", b"\0"), "is damaged"),
        (file, file.read_bytes().replace(b'"first": 0', b'"first": 2'), "its checksum is another"),
    ):
        whole = damaged.read_bytes()
        damaged.unlink() if content is None else damaged.write_bytes(content)
        with pytest.raises(ClipvecError, match=said):
            embed()
        damaged.write_bytes(whole)
    assert "nothing to do" in str(embed())


@pytest.mark.parametrize("root", ["{tmp}", "memory://growth"])
def test_of_two_that_plan_at_once_one_decides(root: str, tmp_path: Path) -> None:
    folder = Folder(root.format(tmp=tmp_path))
    only = Generation(0, 0, 4, 0)
    mine, theirs = Generations(folder, only), Generations(folder, only)
    small, large = (pa.table({"name": [b"x"] * size}) for size in (1, 2))
    planned, first = mine.add(0, 0, 4, 1, small)
    assert first
    for plan in (large, small):  # the same plan is that of the other, too
        assert theirs.add(0, 0, 4, len(plan), plan) == (planned, False)
    assert planned == theirs.newest() == mine.get(0)
    assert folder.names(paths.GENERATIONS) == [planned.plan.split("/")[1], "00000.json"]
