"""Stores of datasets that the package `datasets` reads, and that change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from clipvec.data.data_file import DataFiles
from clipvec.data.files import Source
from clipvec.errors import ConfigError, DatasetError
from clipvec.jobs.generation import of_one_generation
from clipvec.jobs.plan import Job
from tests.data.making import encode
from tests.embed.conftest import Embed
from tests.embed.growing import assert_as_from_scratch, photos, rows, write_photo
from tests.fake_hub import REPO, fake_hub_of_datasets, keep_caches

pytest.importorskip("datasets")
HUB = {"dataset": "huggingface", "dataset.path": REPO}
LOCAL = {"dataset": "huggingface", "sharding.count": 1}


def table(first: int, count: int = 3) -> pa.Table:
    """Return rows with images, each of another colour."""
    images = [encode((first + number, 0, 0)) for number in range(count)]
    cells = [{"bytes": image, "path": None} for image in images]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.table({"image": pa.array(cells, kind)})


def written(first: int, count: int = 3) -> bytes:
    """Return rows as a Parquet file."""
    sink = pa.BufferOutputStream()
    parquet.write_table(table(first, count), sink)
    return bytes(sink.getvalue())


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """The files of a dataset on the hub, three of them Parquet."""
    files = {f"data/train-{number}.parquet": written(3 * number) for number in range(3)}
    files["README.md"] = b"Pictures"
    with fake_hub_of_datasets(files, tmp_path / "cache", monkeypatch):
        yield files


@pytest.mark.parametrize("streaming", [False, True])
def test_a_new_revision(
    streaming: bool, hub: dict[str, bytes], embed: Embed, encoded: list[int], tmp_path: Path
) -> None:
    """It adds, replaces, renames and removes files, which their names and hashes tell."""
    options = {**HUB, "dataset.streaming": streaming, "max_removed_fraction": 0.5}
    store = embed(**options).store
    uri = f"hf://datasets/{REPO}/data/train-0.parquet#1"
    assert rows(store)["data/train-0/1"]["uri"] == uri
    hub["README.md"] = b"Pictures of cats"
    assert "nothing to do" in str(embed(**options))
    encoded.clear()
    size = len(hub["data/train-0.parquet"])
    same = next(data for first in range(20, 90) if len(data := written(first)) == size)
    hub["data/train-0.parquet"] = same
    hub["data/train-one.parquet"] = hub.pop("data/train-1.parquet")
    del hub["data/train-2.parquet"]
    hub["data/train-3.parquet"] = written(12)
    hub["data/train-4.parquet"] = written(0, 0)
    done = embed(**options)
    assert (sum(encoded) - 1, done.known, done.replaced) == (6, 3, 9)
    assert {id.partition("/")[2][:-2] for id in rows(store)} == {"train-0", "train-one", "train-3"}
    again = {**options, "dataset.streaming": not streaming}
    assert "nothing to do" in str(embed(**again))
    assert_as_from_scratch(embed, store, tmp_path, **again, **{"sharding.count": 1})


def test_only_new_data_files_are_fetched(
    hub: dict[str, bytes], embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    prepare = DataFiles.prepared

    def prepared(self: DataFiles, source: Source) -> Any:
        read.append(source.name.rpartition("/")[2])
        return prepare(self, source)

    monkeypatch.setattr(DataFiles, "prepared", prepared)
    embed(**HUB, shards=0)
    assert {*read} == {"train-0.parquet"}
    embed(**HUB)
    read.clear()
    assert "nothing to do" in str(embed(**HUB))
    assert read == []
    hub["data/train-3.parquet"] = written(12)
    embed(**HUB)
    assert {*read} == {"train-3.parquet"}


def test_a_file_that_is_gone_before_it_was_embedded(hub: dict[str, bytes], embed: Embed) -> None:
    """The others stay in their shards."""
    options = {**HUB, "dataset.streaming": True}
    store = embed(**options, shards=0).store
    del hub["data/train-1.parquet"]
    embed(**options, shards="1-2")
    assert {id[:-2] for id in rows(store)} == {"data/train-0", "data/train-2"}


def test_a_sweep_from_a_machine_that_cannot_list(
    hub: dict[str, bytes],
    embed: Embed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its jobs, which have the package, finish what was planned."""
    store = embed(**HUB, shards=0).store
    overrides = ["dataset=huggingface", "dataset.name=it", f"dataset.path={REPO}", "model=sample"]
    overrides += ["model.name=local", f"store.root={tmp_path}/store", "sharding.count=3"]
    job = Job(0, tuple(overrides), (0, 1, 2), store)
    assert [each.generation for each in of_one_generation([job])] == [0]
    embed(**HUB)
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert [each.generation for each in of_one_generation([job])] == [0]
    assert "what is new is not known, since this machine cannot list it: dataset.kind=hugg" in (
        caplog.text
    )


def test_another_repository_of_the_same_name(hub: dict[str, bytes], embed: Embed) -> None:
    embed(**HUB)
    with pytest.raises(ConfigError) as caught:
        embed(**{**HUB, "dataset.path": "other/pictures"})
    assert f"is of the images in {REPO}, not of those in other/pictures" in str(caught.value)


def test_files_that_cannot_be_told_apart(
    embed: Embed, encoded: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They count as one, which is gone when its content is another."""
    keep_caches(tmp_path / "cache", monkeypatch)
    folder = photos(tmp_path / "photos", 6)
    store = embed(**LOCAL).store
    assert rows(store).keys() == {f"train/{number}" for number in range(6)}
    assert "nothing to do" in str(embed(**LOCAL))
    write_photo(folder / "005.png", 9)
    with pytest.raises(ConfigError) as caught:
        embed(**LOCAL)
    assert str(caught.value).startswith(
        "it: 1 of 1 source are gone, more than max_removed_fraction=0.2: nothing was changed; is "
    )
    assert "keep_removed" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        embed(**LOCAL, **{"dataset.keep_removed": True})
    assert str(caught.value) == (
        "it: dataset.keep_removed=true would keep each row twice, since datasets does not tell "
        "from which file a row is; give dataset.keep_removed=false and "
        "max_removed_fraction=1, or embed into another store.root"
    )
    encoded.clear()
    done = embed(**LOCAL, max_removed_fraction=1)
    assert (sum(encoded) - 1, done.known, done.replaced) == (1, 6, 6)
    assert_as_from_scratch(embed, store, tmp_path, **LOCAL)


def test_content_that_changed_before_it_was_embedded(
    embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_caches(tmp_path / "cache", monkeypatch)
    folder = photos(tmp_path / "photos", 6)
    options = {**LOCAL, "sharding.count": 2}
    store = embed(**options, shards=0).store
    write_photo(folder / "06.png", 9)
    with pytest.raises(DatasetError, match="its content is not what it was when the store was beg"):
        embed(**options)
    (folder / "06.png").unlink()
    embed(**options)
    assert len(rows(store)) == 6


def test_rows_that_another_model_has(hub: dict[str, bytes], embed: Embed, reuse: Embed) -> None:
    options = {**HUB, "dataset.streaming": True}
    theirs = rows(embed(**options).store)
    hub["data/train-3.parquet"] = written(12)
    theirs = rows(embed(**options).store)
    mine = rows(reuse(**options).store)
    assert mine.keys() == theirs.keys()
    assert {id: row["uri"] for id, row in mine.items()} == {
        id: row["uri"] for id, row in theirs.items()
    }


def card(*names: str) -> bytes:
    """Return a card that names classes."""
    classes = "".join(f"          '{number}': {name}\n" for number, name in enumerate(names))
    return (
        "---\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n  - name: label\n"
        f"    dtype:\n      class_label:\n        names:\n{classes}---\n"
    ).encode()


def test_a_card_that_names_classes_otherwise(
    embed: Embed, encoded: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows get the new names, none is encoded again, no cache has the old ones."""
    keep_caches(tmp_path / "cache", monkeypatch)
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        labels = pa.array([0, 1, 0], pa.int64())
        parquet.write_table(
            table(3 * number).append_column("label", labels), folder / f"{number}.parquet"
        )
    (folder / "README.md").write_bytes(card("cat", "dog"))
    options = {**LOCAL, "dataset.caption": "label"}
    store = embed(**options).store
    assert rows(store)["0/0"]["caption"] == "cat"
    (folder / "README.md").write_bytes(card("tom", "dog") + b"Pictures")
    encoded.clear()
    embed(**options)
    assert [row["caption"] for row in rows(store).values()] == ["tom", "dog", "tom"] * 2
    assert sum(encoded) - 1 == 0
    assert "nothing to do" in str(embed(**options))


def test_a_push_prepares_no_file_again(hub: dict[str, bytes], embed: Embed, tmp_path: Path) -> None:
    """A copy is named after its content, not after the commit."""
    embed(**HUB, **{"store.root": f"{tmp_path}/one"})
    made = {*(tmp_path / "cache").rglob("*.arrow")}
    hub["README.md"] = b"Pictures of cats"
    embed(**HUB, **{"store.root": f"{tmp_path}/two"})
    assert {*(tmp_path / "cache").rglob("*.arrow")} == made
    assert len(made) == 3
