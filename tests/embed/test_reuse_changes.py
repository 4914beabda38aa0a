"""Taking over the rows of a store while it, or the dataset, changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipvec import paths
from clipvec.data.parquet import ParquetDataset
from clipvec.errors import ConfigError, StoreError
from clipvec.model.torch.encoder import TorchEncoder
from clipvec.store import ShardWriter, Store, compaction, id_digest
from tests.compact.conftest import Killed, grep
from tests.data.making import encode, samples, write_tar
from tests.embed.conftest import Embed
from tests.embed.growing import photos, write_photo
from tests.embed.test_reuse import compacted, delete_forever, rejected, table
from tests.stores import delete, undo

ONE: dict[str, Any] = {"sharding.count": 1, "batch_size": 2, "part_rows": 2}


def ids(url: str) -> list[str]:
    found: list[str] = table(url)["id"].to_pylist()
    return found


def assert_compact(url: str) -> None:
    """Assert that the files of a store have the rows alone that readers see."""
    store = Store.open(url)
    markers = store.committed().values()
    assert not any(compaction.needs(store, marker) for marker in markers)
    assert sum(marker.rows for marker in markers) == len(ids(url))


@contextmanager
def killed_after(parts: int) -> Iterator[None]:
    """Kill what runs inside once so many parts are written."""
    write = ShardWriter.write_part

    def counting(self: ShardWriter, *given: Any) -> None:
        if self.parts == parts:
            raise Killed
        write(self, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ShardWriter, "write_part", counting)
        with pytest.raises(Killed):
            yield


PARQUET: dict[str, Any] = {
    **{"dataset": "parquet", "dataset.id": "key", "dataset.image": "image"},
    **{"dataset.caption": None, "batch_size": 2, "part_rows": 2, "max_reject_fraction": 1},
}


def write_parquet(file: Path, numbers: range) -> None:
    images = [encode((number, 9, 9), (8 + number, 6)) for number in numbers]
    file.parent.mkdir(exist_ok=True)
    pq.write_table(
        pa.table({"key": [f"{n:02}" for n in numbers], "image": images}), file, row_group_size=3
    )


def test_files_that_changed(
    embed: Embed, reuse: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "parquet"
    for number in range(3):
        write_parquet(folder / f"{number}.parquet", range(10 * number, 10 * number + 7))
    options = {**PARQUET, "dataset.path": f"{folder}/*.parquet", "sharding.count": 2}
    first = embed(**options).store
    with monkeypatch.context() as patch:
        patch.setattr(ParquetDataset, "records_of", None)
        with killed_after(1):  # which would read files whole, of which a shard has a range
            reuse(**options, **{"model.name": "same"})
        assert ids(reuse(**options, **{"model.name": "same"}).store) == ids(first)
    write_parquet(folder / "0.parquet", range(-3, 7))
    done = reuse(**options, **{"model.name": "grown"})
    assert (ids(done.store), done.lost) == (ids(first), 0)
    (folder / "1.parquet").unlink()
    with killed_after(1):
        reuse(**options)
    done = reuse(**options)
    assert ids(done.store) == [id for id in ids(first) if not id.startswith("1")]
    assert done.reasons == {"Missing": 7}
    assert {row[0] for row in rejected(done.store)} == {f"{n}" for n in range(10, 17)}


def test_an_id_that_is_there_twice(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    images = [b"no image", *(encode((n, 9, 9), (8 + n, 6)) for n in range(5))]
    keys = ["a", "a", "b", "c", "b", "d"]
    pq.write_table(pa.table({"key": keys, "image": images}), tmp_path / "0.parquet")
    options = {**PARQUET, "dataset.path": f"{tmp_path}/0.parquet", "sharding.count": 1}
    first = embed(**options).store
    done = reuse(**options)
    assert (ids(first), done.lost) == (["a", "b", "c", "d"], 0)
    assert table(done.store).equals(table(first))
    assert sorted(rejected(done.store)) == sorted(rejected(first))
    # one has other bytes, another is gone
    keys, images = ["a", "a", "b", "d"], [*images[:2], *images[4:]]
    pq.write_table(pa.table({"key": keys, "image": images}), tmp_path / "0.parquet")
    done = reuse(**options, **{"model.name": "third"})
    assert ids(done.store) == ["a", "d"]
    assert done.reasons == {"Changed": 1, "Missing": 1}


def test_a_tar_that_grew(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    folder = tmp_path / "tars"
    folder.mkdir()
    write_tar(folder / "0.tar", samples(0, 8))
    options = {"dataset": "webdataset", "dataset.path": f"{folder}/*.tar", "sharding.count": 3}
    first = embed(**options).store
    write_tar(folder / "0.tar", [*samples(0, 8), *samples(8, 5)])
    done = reuse(**options)
    assert (ids(done.store), done.lost) == (ids(first), 0)


@pytest.mark.parametrize("change", ["delete", "forever", "compact", "undo", "undo the last"])
def test_killed_while_the_other_changes(
    embed: Embed, reuse: Embed, tmp_path: Path, change: str
) -> None:
    photos(tmp_path / "photos", 7)
    first = embed(**ONE).store
    deletion = delete(Store.open(first), "06.png" if change == "undo the last" else "01.png")
    with killed_after(2):
        reuse(**ONE)
    if change.startswith("undo"):
        undo(Store.open(first), deletion)
    elif change == "forever":
        delete_forever(first, "02.png")
    else:
        delete(Store.open(first), "02.png", "05.png")
        if change == "compact":
            compacted(first)
    done = reuse(**ONE).store
    assert ids(done) == ids(first)
    assert rejected(done) == []
    compacted(done)
    assert_compact(done)


@pytest.mark.parametrize("written", [False, True])
def test_taken_back_before_it_is_committed(
    embed: Embed, reuse: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bool
) -> None:
    photos(tmp_path / "photos", 7)
    first = embed(**ONE).store
    if written:
        with killed_after(3):
            reuse(**ONE)
    deletion = delete(Store.open(first), "02.png")

    def kill(self: ShardWriter, timings: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ShardWriter, "commit", kill)
        with pytest.raises(Killed):
            reuse(**ONE)
    undo(Store.open(first), deletion)
    done = reuse(**ONE).store
    assert ids(done) == ids(first)
    assert len(Store.open(done).tombstones) == 0


@pytest.mark.parametrize("id", ["00.png", "05.png"])
def test_taken_back_while_it_is_embedded(
    embed: Embed, reuse: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id: str
) -> None:
    photos(tmp_path / "photos", 7)
    first = embed().store
    names = [delete(Store.open(first), id)]
    encode_images = TorchEncoder.encode_images

    def meanwhile(self: TorchEncoder, pixels: np.ndarray) -> np.ndarray:
        if names and Store.find(f"{tmp_path}/store/it/other"):
            undo(Store.open(first), names.pop())
        return encode_images(self, pixels)

    with monkeypatch.context() as patch:
        patch.setattr(TorchEncoder, "encode_images", meanwhile)
        if id == "00.png":  # its shard is at work
            with pytest.raises(StoreError, match=r"00\.png .* was taken back .* same command"):
                reuse()
        else:
            reuse()
    done = reuse().store
    assert names == []
    assert ids(done) == ids(first)
    assert rejected(done) == []


@pytest.mark.parametrize("gone", [False, True])
def test_blocked_in_one_of_the_two(embed: Embed, reuse: Embed, tmp_path: Path, gone: bool) -> None:
    folder = photos(tmp_path / "photos", 10)
    first = embed().store
    delete_forever(first, "07.png")
    name = next(iter(Store.open(first).tombstones.active))
    reuse(shards=0)
    undo(Store.open(first), name)
    if gone:
        (folder / "07.png").unlink()
    options = {"batch_size": 1, "part_rows": 1}
    with killed_after(2):
        reuse(shards=2, **options)
    done = reuse(**options)
    assert ids(done.store) == [id for id in ids(first) if id != "07.png"]
    assert [row[0] for row in rejected(done.store)] == [id_digest("07.png")]
    assert (done.lost, grep(Path(done.store, "shard-00002"), b"07.png")) == (0, [])


def test_continued_without_it(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 7)
    first = embed().store
    delete(Store.open(first), "05.png")
    with killed_after(0):
        reuse()
    said = r"takes over the rows of another store.*: give reuse="
    with pytest.raises(ConfigError, match=said):
        reuse(reuse=None)
    done = reuse()
    write_photo(folder / "07.png", 7)
    embed()
    with killed_after(0):
        reuse()
    with pytest.raises(ConfigError, match=said):
        reuse(reuse=None)
    write_photo(folder / "08.png", 8)
    embed()
    compacted(first)
    with pytest.raises(ConfigError, match=r"other generations.*remove .*generations/00001\.json"):
        reuse()
    # a shard that was finished once needs no other store
    Path(done.store, "generations/00001.json").unlink()
    Path(done.store, "shard-00002", "part-00000.parquet").unlink()
    reuse(reuse=None)
    assert ids(done.store) == [f"0{n}.png" for n in (0, 1, 2, 3, 4, 6, 7, 8)]


def test_continued_without_it_where_nothing_grows(
    embed: Embed, reuse: Embed, tmp_path: Path
) -> None:
    photos(tmp_path / "photos", 7)
    embed(**{"dataset.limit": 6})
    with killed_after(0):
        reuse(**{"dataset.limit": 6})
    with pytest.raises(ConfigError, match="give reuse="):
        reuse(**{"dataset.limit": 6, "reuse": None})


def test_moved_and_taken_back(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 7)
    first = embed().store
    delete(Store.open(first), "01.png")
    known = Store.open(first).tombstones.active.keys()
    (folder / "01.png").rename(folder / "moved1.png")
    embed()
    active = Store.open(first).tombstones.active
    (name,) = [n for n in active.keys() - known if active[n].generation is None]
    undo(Store.open(first), name)
    done = reuse().store
    assert "moved1.png" in ids(first)
    assert ids(done) == ids(first)
    # what was deleted in this store alone stays so
    delete(Store.open(done), "03.png")
    (folder / "03.png").rename(folder / "moved3.png")
    embed()
    assert "moved3.png" in ids(first)
    assert ids(reuse().store) == [id for id in ids(first) if id != "moved3.png"]


def test_a_shard_without_rows(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    photos(tmp_path / "photos", 7)
    first = embed().store
    delete(Store.open(first), "00.png", "01.png")
    done = reuse().store
    compacted(done)
    assert ids(done) == ids(first)
    assert_compact(done)


def test_rejects_that_were_taken_over(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 7)
    for name in ("00b.png", "03b.png"):
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    first = embed(**ONE).store
    (folder / "05.png").unlink()
    with killed_after(2):
        reuse(**ONE)
    other = f"{tmp_path}/store/it/other/{paths.ShardPaths(0).rejects}"
    Path(other).unlink()
    done = reuse(**ONE)
    assert (done.lost, done.rejects, done.reasons) == (1, 1, {"FileNotFoundError": 1})
    assert Counter(row[0] for row in rejected(done.store)) == Counter(
        ["00b.png", "03b.png", "05.png"]
    )
    # one whose name is hidden there by now
    with killed_after(2):
        reuse(**ONE, **{"model.name": "third"})
    ledger = f"{paths.ShardPaths(0).rejects}"
    compaction._hide_rejects(Store.open(first), ledger, {id_digest("00b.png")})
    assert reuse(**ONE, **{"model.name": "third"}).lost == 1
    third = f"{tmp_path}/store/it/third"
    assert [row[0] for row in rejected(third)] == ["03b.png", "05.png", id_digest("00b.png")]


def test_other_files_of_the_same_sizes(embed: Embed, reuse: Embed, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", 4)
    (folder / "a.png").write_bytes(encode())
    embed()
    reuse(shards=0)
    store = Store.open(f"{tmp_path}/store/it/other")
    generation = store.generations.newest()
    plan = store.generations.plan(generation)
    names = [name.replace(b"a.png", b"b.png") for name in plan["name"].to_pylist()]
    at = plan.schema.get_field_index("name")
    store.generations.rewrite(generation, plan.set_column(at, plan.schema.field(at), [names]))
    with pytest.raises(ConfigError, match="has other generations than"):
        reuse()


def test_a_store_that_another_command_began(
    embed: Embed, reuse: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(tmp_path / "photos", 4)
    embed(**{"dataset.limit": 4})
    create = Store.create

    def meanwhile(url: str, fingerprint: Any, model: Any, reused: str = "") -> Store:
        create(url, fingerprint, model)
        return create(url, fingerprint, model, reused)

    monkeypatch.setattr(Store, "create", meanwhile)
    with pytest.raises(ConfigError, match="was begun without the rows of"):
        reuse(**{"dataset.limit": 4})
