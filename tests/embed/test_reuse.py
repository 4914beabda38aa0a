"""A second model's store of the same images, which decides nothing again."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from clipvec import config
from clipvec.check.run import check
from clipvec.compact.run import compact
from clipvec.config import CheckConfig, CompactConfig, DeleteConfig, FaissConfig
from clipvec.delete.run import delete as run_delete
from clipvec.errors import ClipvecError, ConfigError, IncompleteStoreError, TooManyRejects
from clipvec.jobs.generation import of_one_generation
from clipvec.jobs.plan import Job
from clipvec.store import EMBEDDING, Rows, Store, live_rejects
from clipvec.tracking import SWEEP_VARIABLE
from tests.compact.conftest import Killed, count_writes, files
from tests.data.making import samples, write_tar
from tests.embed.conftest import Embed
from tests.embed.growing import photos, write_photo
from tests.stores import delete


def table(url: str) -> pa.Table:
    """Return all that readers see but vectors, in order."""
    rows = Rows.open(url)
    names = [name for name in rows.store.schema().names if name != EMBEDDING]
    return pa.Table.from_batches([piece for _, piece in rows.pieces(names)])


def rejected(url: str) -> list[tuple[object, ...]]:
    store = Store.open(url)
    rows = live_rejects(store, store.generations.all())
    return sorted(tuple(row.values())[1:] for _, row in rows)


def listed(url: str) -> list[list[tuple[object, ...]]]:
    """Return what each generation of a store lists."""
    store = Store.open(url)
    found = [(each.sources, store.generations.plan(each)) for each in store.generations.all()]
    return [
        [*plan.slice(0, count).select(["name", "size", "version"]).to_pylist()]
        for count, plan in found
    ]


def of(url: str, **more: Any) -> dict[str, Any]:
    """Return the configuration of a command on a store."""
    root, dataset, model = url.rsplit("/", 2)
    index = config.to_dict(FaissConfig(f"{root}/index"))
    named = {"model": {"name": model}, "dataset": {"name": dataset}, "store": {"root": root}}
    return {**named, "index": index, **more}


def assert_same(mine: str, theirs: str) -> None:
    """Compare all but vectors of two stores, and check one."""
    assert table(mine).equals(table(theirs))
    assert rejected(mine) == rejected(theirs)
    assert listed(mine) == listed(theirs)
    vectors = [np.concatenate([v for _, v in Rows.open(url).chunks()]) for url in (mine, theirs)]
    assert not np.allclose(*vectors, atol=0.1)
    assert check(config.from_dict(of(mine, store_only=True), CheckConfig)).faults == []


def compacted(url: str) -> None:
    compact(config.from_dict(of(url, dry_run=False), CompactConfig))


def delete_forever(url: str, id: str) -> None:
    nothing = dict.fromkeys(("where", "file", "undo", "reason"))
    asked = of(url, ids=id, forever=True, dry_run=False, ignore_missing=False, **nothing)
    del asked["index"]
    run_delete(config.from_dict({**asked, "max_removed_fraction": 0.2}, DeleteConfig))


@pytest.fixture
def grown(embed: Embed, tmp_path: Path) -> tuple[Path, str]:
    """Images that were added, changed, moved, broken, deleted and gone, and their store."""
    folder = photos(tmp_path / "photos", 12)
    (folder / "07.txt").write_text("seven")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    store = embed().store
    delete(Store.open(store), "02.png", "09.png", reason="asked for")
    delete_forever(store, "06.png")
    for day in range(3):
        write_photo(folder / f"{20 + day}.png", 20 + day)
        write_photo(folder / "03.png", 30 + day)
        (folder / f"0{day}.png").rename(folder / f"moved{day}.png")
        (folder / f"bad{day}.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes([day]))
        (folder / ("11.png", "bad0.png", "20.png")[day]).unlink()
        embed()
    delete(Store.open(store), "22.png")
    return folder, store


@pytest.mark.parametrize("joined", [False, True])
def test_a_store_that_grew(
    embed: Embed, reuse: Embed, grown: tuple[Path, str], encoded: list[int], joined: bool
) -> None:
    folder, first = grown
    if joined:
        compacted(first)
    count = len(Store.open(first).generations.all())
    assert count == (2 if joined else 4)
    encoded.clear()
    done = reuse()
    assert sum(encoded) - 1 == len(table(first)), "an image that is shown is encoded once"
    assert_same(done.store, first)
    assert done.lost == 0
    assert "nothing to do" in str(reuse())
    # what was deleted stays so where it is moved, and by its bytes
    (folder / "moved2.png").rename(folder / "moved3.png")
    shutil.copy(folder / "06.png", folder / "06-again.png")
    write_photo(folder / "40.png", 40)
    embed()
    assert_same(reuse().store, first)
    (folder / "09.png").rename(folder / "09-moved.png")
    (folder / "moved3.png").rename(folder / "moved4.png")
    shutil.copy(folder / "06.png", folder / "06-more.png")
    write_photo(folder / "41.png", 41)
    ids = [*table(reuse(reuse=None).store)["id"].to_pylist()]
    embed()
    assert ids == table(first)["id"].to_pylist()
    assert {"moved4.png", "09-moved.png", "06-more.png", "22.png"}.isdisjoint(ids)
    assert {"40.png", "41.png"} <= {*ids}
    write_photo(folder / "42.png", 42)
    reuse(reuse=None)
    with pytest.raises(ConfigError, match="has other generations than"):
        reuse()


def test_killed_after_every_write(
    embed: Embed, reuse: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path / "photos", 8)
    (folder / "broken.png").write_bytes(b"\x89PNG")
    options = {"sharding.count": 2, "batch_size": 2, "part_rows": 2}
    first = embed(**options).store
    delete(Store.open(first), "02.png", "07.png")
    write_photo(folder / "03.png", 30)
    write_photo(folder / "12.png", 12)
    embed(**options)
    (folder / "05.png").unlink()
    once = reuse(**options).store
    assert_same_but(once, first, lost=["05.png"])
    with monkeypatch.context() as patch:
        counted = count_writes(patch)
        for kills in range(40):
            counted[:] = [0, 1 + kills % 3]
            try:
                again = reuse(**options, **{"store.root": tmp_path / "killed", "reuse": first})
            except Killed:
                continue
            break
    assert kills > 6
    assert table(again.store).equals(table(once))
    mine, theirs = (files(Path(url)) for url in (again.store, once))
    assert len(mine) == len(theirs), "no deletion twice"
    for name in theirs:
        assert name.endswith(".json") or mine[name] == theirs[name], name


def assert_same_but(mine: str, theirs: str, lost: list[str]) -> None:
    """Compare two stores in all but rows that one of them rejects."""
    known = table(theirs)
    assert table(mine).equals(known.filter(pc.invert(pc.is_in(known["id"], pa.array(lost)))))
    decided = {*rejected(theirs)}
    assert {*rejected(mine)} >= decided
    assert sorted(str(id) for id, *_ in {*rejected(mine)} - decided) == lost


def test_images_that_are_not_what_they_were(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 9)
    first = embed().store
    write_photo(folder / "01.png", 50)
    (folder / "04.png").unlink()
    (folder / "05.png").write_bytes(b"")
    (folder / "06.txt").write_text("a caption that came later")
    write_photo(folder / "20.png", 20)
    with pytest.raises(TooManyRejects, match=r"2 of 3 images of shard 1 were rejected \(1 File"):
        reuse(max_reject_fraction=0.015)
    done = reuse()
    assert (done.lost, done.reasons) == (2, {"Changed": 1, "FileNotFoundError": 1})
    assert "; 2 rows not taken over" in str(done)
    lost = {id: reason for id, _, reason, _ in rejected(done.store)}
    assert lost["01.png"] == "it is not the image that was embedded before"
    assert_same_but(done.store, first, ["01.png", "04.png", "05.png"])
    done = reuse(reuse=None, max_reject_fraction=0.5, max_removed_fraction=0.5)
    assert [*table(done.store)["id"].to_pylist()] == [
        *(f"0{n}.png" for n in (0, 2, 3, 7, 8)),
        *("01.png", "06.png", "20.png"),
    ]


def test_tars_that_were_written_again(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    folder = tmp_path / "tars"
    for number in range(2):
        write_tar(folder / f"{number}.tar", samples(10 * number, 6))
    options = {"dataset": "webdataset", "dataset.path": f"{folder}/*.tar", "sharding.count": 4}
    first = embed(**options).store
    write_tar(folder / "1.tar", [*samples(15, 1), *samples(10, 5)])
    write_tar(folder / "2.tar", samples(20, 2))
    done = reuse(**options, max_reject_fraction=0.5)
    known = table(first)["id"].to_pylist()
    ids = table(done.store)["id"].to_pylist()
    assert ids == [id for id in known if id in ids]
    assert done.lost == len(known) - len(ids) == 2
    # the last one comes first
    lost = {str(row[0]): row[-1] for row in rejected(done.store)}
    assert lost == dict.fromkeys(known[9:11], "Missing")


def test_a_store_of_one_moment(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    photos(tmp_path / "photos", 7)
    options = {"dataset.limit": 6, "store.thumbnail": 0, "reuse": "memory://reused/it/local"}
    first = embed(**{**options, "reuse": None, "store.root": "memory://reused"}).store
    delete(Store.open(first), "01.png")
    done = reuse(**options, **{"store.dtype": "float32"})
    assert table(done.store).equals(table(first))
    assert Store.open(done.store).generations.newest().plan == ""
    delete(Store.open(first), "03.png")
    shutil.rmtree(done.store)
    assert len(table(reuse(**options).store)) == 4


def test_refusals(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    photos(tmp_path / "photos", 7)
    first = embed().store
    for options, said in (
        ({"reuse": "none"}, "reuse=none: there is no store at .*/it/none; name a model"),
        ({"reuse": "other"}, "reuse=other is the store to embed into"),
        (
            {"sharding.count": 2},
            "made with sharding.count 3, not 2: use sharding.count=3, or another reuse",
        ),
        ({"store.thumbnail": 0}, "made with store.thumbnail 256, not 0"),
        ({"dataset.limit": 3}, "made with dataset"),
        ({"dataset.caption": "words"}, "made with dataset.caption caption, not words"),
    ):
        with pytest.raises(ClipvecError, match=said) as caught:
            reuse(**options)
        assert "\n" not in str(caught.value)
    Path(first, "shard-00001/done.json").unlink()
    with pytest.raises(IncompleteStoreError, match=r"is not finished: it lacks 1 shard \(1\)"):
        reuse()
    assert not Path(first).with_name("other").exists()
    done = reuse(shards=0)
    assert [*Store.open(done.store).committed()] == [0]
    embed()
    reuse()
    own = reuse(**{"reuse": None, "model.name": "own"})
    with pytest.raises(ConfigError, match="was begun without the rows of"):
        reuse(**{"model.name": "own"})
    assert len(table(own.store)) == 7


def test_the_jobs_of_a_sweep(
    embed: Embed, reuse: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path / "photos", 7)
    first = embed().store
    write_photo(folder / "07.png", 7)
    embed()
    write_photo(folder / "08.png", 8)  # which no job is to take up
    overrides = ["dataset=folder", "dataset.name=it", f"dataset.path={folder}", "sharding.count=3"]
    overrides += [f"store.root={tmp_path}/store", "model=sample", "model.name=other"]
    job = Job(0, (*overrides, "reuse=local"), (0, 1, 2), f"{tmp_path}/store/it/other", reuse=first)
    monkeypatch.setenv(SWEEP_VARIABLE, "embed-1")
    for generation, wanted in ((0, (0, 1, 2)), (1, (0,)), (1, ())):
        assert [each.generation for each in of_one_generation([job])] == [generation]
        for shard in wanted:
            reuse(shards=shard)
    assert_same(job.store, first)
    for mount in (first, {"source": first, "mode": "COPY"}):
        there = replace(job, reuse="/in", cloud={"name": "aws", "file_mounts": {"/in/": mount}})
        assert [each.generation for each in of_one_generation([there])] == [1]
    Path(first, "shard-00001/done.json").unlink()
    with pytest.raises(IncompleteStoreError, match=r"reuse=local: .* is not finished: it lacks"):
        of_one_generation([job], look=False)
    reuse(shards=0)
