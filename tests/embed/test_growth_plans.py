"""Generations of datasets that change: planned once, finished first, and what is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from clipvec import paths
from clipvec.embed import growth, run
from clipvec.embed.work import Work
from clipvec.errors import (
    ClipvecError,
    ConfigError,
    Interrupted,
    SchemaError,
    StoreError,
    TooManyRejects,
)
from clipvec.store import Folder, Generation, Store
from clipvec.store.generations import Generations
from tests.data.making import samples, write_tar
from tests.embed.conftest import Embed
from tests.embed.growing import assert_as_from_scratch, photos, rows, write_photo
from tests.stores import edit, flip


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
