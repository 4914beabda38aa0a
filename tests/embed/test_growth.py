"""Stores of datasets that change."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from clipvec.errors import (
    ConfigError,
    DatasetError,
)
from clipvec.store import Store
from tests.data.making import encode, samples, write_tar
from tests.embed.conftest import Embed
from tests.embed.growing import assert_as_from_scratch, photos, rows, write_photo
from tests.fake_hub import REPO, fake_hub


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
