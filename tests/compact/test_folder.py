"""A folder of images whose store is compacted, and embedded again."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clipvec
from clipvec import config, paths
from clipvec.compact.run import compact
from clipvec.config import ChromaConfig
from clipvec.delete.run import delete as delete_command
from clipvec.embed import growth, work
from clipvec.errors import StoreError
from clipvec.store import (
    DeletedRows,
    Entry,
    Rows,
    ShardWriter,
    Store,
    TombstoneFolder,
    compaction,
    joining,
)
from tests.compact.conftest import Killed, asked, count_writes, files, grep
from tests.data.making import encode
from tests.stores import delete

Embed = Callable[..., Any]


@pytest.fixture
def embed(tmp_path: Path, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Embed:
    """Embed the folder `photos` in parts of four, which do not count as small."""
    monkeypatch.setattr(compaction, "GROUP_ROWS", 0)

    def call(**options: Any) -> Any:
        given = {
            "model": "local",
            "model.pretrained": f"local-dir:{tiny_weights}",
            "dataset": "folder",
            "dataset.name": "toys",
            "dataset.path": tmp_path / "photos",
            "store.root": tmp_path / "store",
            "sharding.count": 2,
            "batch_size": 4,
            "part_rows": 4,
            "max_removed_fraction": 1,
        }
        return clipvec.run_embed(**{**given, **options})

    return call


def write(file: Path, number: int) -> None:
    file.write_bytes(encode((number, 9, 9), (8 + number, 6)))


def photos(tmp_path: Path, number: int, *, captions: bool = False) -> Path:
    """Return the folder that `embed` embeds, with different images, ``photo-00.png`` and so on."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for each in range(number):
        write(folder / f"photo-{each:02}.png", each)
        if captions:
            (folder / f"photo-{each:02}.txt").write_text(f"caption {each:02}")
    return folder


def ids(store: Store) -> list[str]:
    pieces = Rows.open(store.url).pieces(["id"])
    return sorted(id for _, piece in pieces for id in piece["id"].to_pylist())


def compacted(store: Store, tmp_path: Path) -> str:
    index = ChromaConfig(f"{tmp_path}/index")
    return str(compact(asked(store, index, model={"name": "local"})))


def test_deleted_images_stay_deleted(embed: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path, 16, captions=True)
    store = Store.open(embed().store)
    write(folder / "photo-07.png", 30)
    (folder / "photo-08.png").unlink()
    gone = ["photo-01.png", "photo-02.png", "photo-03.png", "photo-15.png"]
    delete(store, *gone)
    embed()
    # names, captions and pixels of images that were deleted, or are no longer there
    needles = [id.encode() for id in [*gone, "photo-08.png"]]
    assert grep(Path(store.url), *needles)
    assert compacted(store, tmp_path).startswith("took 6 rows out of 4 parts of")
    assert grep(Path(store.url), *needles) == []
    assert grep(Path(store.url), b"photo-07.png"), "it is there in another state"
    left = [
        f"photo-{n:02}.png" for n in range(16) if f"photo-{n:02}.png" not in [*gone, "photo-08.png"]
    ]
    assert ids(store) == left
    kept = files(Path(store.url))
    assert "nothing to do" in str(embed()), "the images are there, and known by digests"
    assert files(Path(store.url)) == kept

    os.utime(folder / gone[0], (1, 1))
    (folder / gone[1]).rename(folder / "moved.png")
    write(folder / gone[2], 40)
    assert embed().timings.images == 3
    assert ids(store) == sorted([*left, gone[2]]), "the same images stay deleted, another is new"
    assert compacted(store, tmp_path).startswith("took 2 rows out of 1 part of")
    assert grep(Path(store.url), gone[0].encode(), gone[1].encode(), b"moved.png") == []
    assert grep(Path(store.url), gone[2].encode())
    assert "nothing to do" in str(embed())


def test_a_shard_that_is_embedded_again(embed: Embed, tmp_path: Path) -> None:
    """A compacted part is kept; where one is lost, its deleted images are not embedded again."""
    photos(tmp_path, 16, captions=True)
    store = Store.open(embed().store)
    delete(store, "photo-01.png", "photo-05.png")
    compacted(store, tmp_path)
    left = ids(store)
    first, second = Store.open(store.url).committed([0])[0].parts
    Path(store.url, paths.ShardPaths(0).done).unlink()
    Path(store.url, second.file).unlink()
    embed()
    assert Path(store.url, first.file).is_file()
    assert ids(store) == left
    marker = Store.open(store.url).committed([0])[0]
    assert (marker.rows, marker.rejects) == (6, 1), "nobody knows the name of the file"
    assert compacted(store, tmp_path).startswith("nothing to compact")


def test_killed_at_each_step(embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lists of files are written one after the other: no name stays in the others."""
    folder = photos(tmp_path, 4)
    store = Store.open(embed().store)
    write(folder / "photo-01.png", 20)
    (folder / "photo-02.png").unlink()
    embed()
    (folder / "photo-01.png").unlink()
    embed()
    needles = [b"photo-01", b"photo-02"]
    origin, writes = tmp_path / "origin", count_writes(monkeypatch)
    shutil.copytree(store.url, origin)
    compacted(store, tmp_path)
    assert grep(Path(store.url), *needles) == []
    wanted, steps = files(Path(store.url)), writes[0]
    for step in range(steps):
        shutil.rmtree(store.url)
        shutil.copytree(origin, store.url)
        writes[:] = [0, step]
        with pytest.raises(Killed):
            compacted(store, tmp_path)
        writes[:] = [0, -1]
        compacted(store, tmp_path)
        assert files(Path(store.url)) == wanted, f"killed at step {step}"


def forever(store: Store, *ids: str, **options: Any) -> str:
    asks = config.to_dict(asked(store, ChromaConfig("x"), model={"name": "local"}))
    del asks["index"]
    asks |= dict.fromkeys(("where", "file", "undo", "reason"))
    asks |= {"forever": True, "ignore_missing": False, "max_removed_fraction": 0.2}
    return delete_command(config.from_dict({**asks, "ids": [*ids], **options}, config.DeleteConfig))


def test_forever(embed: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path, 8)
    store = Store.open(embed().store)
    delete(store, "photo-02.png")
    compacted(store, tmp_path)
    said = forever(store, "photo-01.png", "photo-02.png")
    assert said.startswith(f"deleted 1 row of {store.url}: ")
    assert "; images with the same bytes are not embedded again; to take it back: " in said
    compacted(store, tmp_path)
    write(folder / "photo-01.png", 20)  # another image of the name
    (folder / "copy.png").write_bytes(encode((1, 9, 9), (9, 6)))
    write(folder / "copy-of-02.png", 2)
    write(folder / "photo-08.png", 8)
    done = embed()
    assert (done.timings.images, done.rejects) == (1, 3)
    assert ids(store) == ["photo-00.png", *(f"photo-{n:02}.png" for n in range(3, 9))]
    (marker,) = Store.open(store.url).committed([2]).values()
    assert marker.reasons == {"Blocked": 3}
    assert grep(Path(store.url, "shard-00002"), b"photo-01", b"copy") == []
    assert "nothing to do" in str(embed())


def test_forever_by_another_name(embed: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path, 4)
    write(folder / "copy.png", 1)
    store = Store.open(embed().store)
    said = forever(store, "photo-01.png", dry_run=True)
    assert said.startswith(f"would delete 2 rows of {store.url}: ")
    assert {"copy.png", "photo-01.png"} <= {*re.split("[ ,;]+", said)}
    said = forever(store, "photo-01.png")
    assert said.startswith(f"deleted 2 rows of {store.url}: ")
    assert "; 1 row of these by another id, with the same bytes; images with the same" in said
    assert ids(store) == ["photo-00.png", "photo-02.png", "photo-03.png"]


def test_forever_in_an_open_shard(embed: Embed, tmp_path: Path) -> None:
    """A part that was finished before is taken over without what was deleted since."""
    photos(tmp_path, 8)
    store = Store.open(embed().store)
    Path(store.url, paths.ShardPaths(0).done).unlink()
    forever(store, "photo-01.png", ignore_missing=True)
    assert embed().timings.images == 0
    assert ids(store) == [f"photo-{n:02}.png" for n in range(8) if n != 1]
    deletions = len(Store.open(store.url).tombstones.entries)
    embed()
    assert len(Store.open(store.url).tombstones.entries) == deletions


@pytest.mark.parametrize("moment", ["at a commit", "at a publication"])
def test_forever_while_embed_runs(
    embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    folder = photos(tmp_path, 4)
    url = f"{tmp_path}/store/toys/local"
    place, name = (ShardWriter, "commit") if moment == "at a commit" else (work, "deleted_rows")
    method: Callable[..., Any] = getattr(place, name)
    deleted = []

    def late(*given: Any) -> Any:
        if not deleted:
            gone = "photo-01.png", "photo-05.png"
            deleted.append(forever(Store.open(url), *gone, ignore_missing=True))
        return method(*given)

    monkeypatch.setattr(place, name, late)
    embed()
    for number in range(4, 8):
        write(folder / f"photo-{number:02}.png", number)
    embed()
    left = [n for n in range(8) if n not in {1, 5}]
    assert ids(Store.open(url)) == [f"photo-{n:02}.png" for n in left]


def test_a_deletion_of_a_part_that_was_compacted_meanwhile(embed: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path, 8)
    store = Store.open(embed().store)
    part = store.parts()[0]
    delete(store, "photo-02.png")
    compacted(store, tmp_path)
    late = Entry.now(None, {part.file: DeletedRows(part.sha256, ["photo-01.png"])})
    TombstoneFolder(store.folder).add(late)
    left = ids(store)
    os.utime(folder / "photo-01.png", (1, 1))
    embed()
    assert ids(store) == left


def test_a_generation_that_is_not_finished(
    embed: Embed, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that nobody sees yet may be of a deleted image; whoever deletes is told of them."""
    folder = photos(tmp_path, 4)
    store = Store.open(embed().store)
    write(folder / "copy.png", 1)

    def stop(*_: Any) -> None:
        raise StoreError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(work, "deleted_rows", stop)
        with pytest.raises(StoreError, match="the disk is full"):
            embed()
    caplog.clear()
    forever(store, "photo-01.png", forever=False)
    compacted(store, tmp_path)
    assert [text for text in caplog.messages if "not finished" in text] == [
        "shards that are not finished keep their rows: 2; clipvec embed finishes them",
        "shards that are not finished stay as they are: 2; clipvec embed finishes them",
    ]


def test_compacted_before_a_publication(
    embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path, 4)
    store = Store.open(embed().store)
    delete(store, "photo-00.png")
    write(folder / "photo-01.png", 20)
    method = work.deleted_rows

    def late(*given: Any) -> Any:
        found = method(*given)
        compacted(store, tmp_path)
        return found

    monkeypatch.setattr(work, "deleted_rows", late)
    embed()
    held = Store.open(store.url)
    (marker,) = held.committed([0]).values()
    assert held.tombstones.of_parts("shard-00000", marker.parts) is not None
    assert ids(store) == ["photo-01.png", "photo-02.png", "photo-03.png"]


def test_joined_generations(embed: Embed, tmp_path: Path) -> None:
    """Embed goes on as before: nothing new, files that change, and a shard that is damaged."""
    folder = photos(tmp_path, 6)
    store = Store.open(embed().store)
    for number in range(6, 10):
        write(folder / f"photo-{number:02}.png", number)
        (folder / f"photo-{number:02}.bad.png").write_bytes(b"no image")
        embed()
    delete(store, "photo-07.png")
    assert "joined 4 small generations with others" in compacted(store, tmp_path)
    left = [f"photo-{n:02}.png" for n in range(10) if n != 7]
    kept = files(Path(store.url))
    assert "nothing to do: 3 shards" in str(embed())
    assert files(Path(store.url)) == kept
    assert ids(store) == left

    os.utime(folder / "photo-07.png", (1, 1))
    os.utime(folder / "photo-08.png", (1, 1))
    (folder / "photo-09.png").rename(folder / "photo-10.png")
    done = embed()
    assert (done.timings.images, done.known) == (3, 2)
    left[-1] = "photo-10.png"
    assert ids(store) == left, "it stays deleted"

    marker = Store.open(store.url).committed([6])[6]
    assert (marker.rows, marker.rejects) == (3, 4)
    Path(store.url, paths.ShardPaths(6).done).unlink()
    Path(store.url, marker.parts[0].file).unlink()
    embed()
    assert ids(store) == left
    assert "nothing to do" in str(embed())


def test_compact_is_faster_than_embed(
    embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Embed has listed what is new, and compact takes the next number; then it lists again."""
    folder = photos(tmp_path, 3)
    store = Store.open(embed().store)
    for number in range(3, 6):
        write(folder / f"photo-{number:02}.png", number)
        embed()
    write(folder / "photo-06.png", 6)
    shards, finish, steps = growth._shards, joining.finish, []

    def late(*given: Any) -> Any:
        if not steps:
            steps.append("compact")
            monkeypatch.setattr(joining, "finish", killed)
            with pytest.raises(Killed):
                compacted(store, tmp_path)
        return shards(*given)

    def killed(*_: Any) -> None:
        monkeypatch.setattr(joining, "finish", finish)
        raise Killed

    monkeypatch.setattr(growth, "_shards", late)
    assert embed().timings.images == 1
    assert ids(store) == [f"photo-{n:02}.png" for n in range(7)]
    assert [each.number for each in Store.open(store.url).generations.all()] == [0, 4, 5]
    compacted(store, tmp_path)
    assert "nothing to do" in str(embed())
