from __future__ import annotations

import logging
import sys
import time
import zipfile
from pathlib import Path

import pytest

from clipvec.data import Record, Reject, huggingface, parquet
from clipvec.errors import ConfigError, DatasetError
from tests.data.hugging_face import no_network, read
from tests.data.making import check_partition, encode
from tests.fake_hub import REPO, fake_hub_of_datasets

datasets = pytest.importorskip("datasets")
__all__ = ["no_network"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three Parquet files of 4, 3 and 2 rows, laid out like a hub dataset."""
    folder = tmp_path / "set"
    folder.mkdir()
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "stars": datasets.Value("string"),
            "key": datasets.Value("string"),
        }
    )
    first = 0
    for number, size in enumerate([4, 3, 2]):
        rows = range(first, first + size)
        columns = {
            "image": [{"bytes": encode((row, 0, 0)), "path": f"{row}.png"} for row in rows],
            "label": [row % 2 if row != 5 else -1 for row in rows],
            "stars": [str(row) if row != 4 else "four" for row in rows],
            "key": [f"key-{row}" for row in rows],
        }
        table = datasets.Dataset.from_dict(columns, features=features)
        table.to_parquet(folder / f"train-{number:05d}-of-00003.parquet")
        first += size
    return folder


IDS = [
    f"train-{file:05d}-of-00003/{row}" for file, size in enumerate([4, 3, 2]) for row in range(size)
]
"""Of the rows of `folder`: they do not depend on how they are read."""


def test_every_record_is_in_one_shard(folder: Path) -> None:
    check_partition(read(folder), [1, 2, 3, 5, 14], IDS)


def test_streamed_ids_do_not_depend_on_the_sharding(folder: Path) -> None:
    dataset = read(folder, streaming=True)
    check_partition(dataset, [1, 2, 3], IDS)
    with pytest.raises(
        ConfigError, match=r"sharding\.count=4 is more than the 3 data file.*most 3"
    ):
        next(dataset.records(0, 4))


@pytest.mark.parametrize("limit", [1, 4, 6, 9, 100])
def test_the_first_records(folder: Path, limit: int) -> None:
    dataset = read(folder, limit=limit)
    check_partition(dataset, [1, 2, 3, 5, 14], IDS[:limit])
    assert dataset.num_items(0, 1) == len(IDS[:limit])


@pytest.mark.parametrize(("limit", "files"), [(1, 1), (4, 1), (5, 2), (8, 3), (9, 3), (100, 3)])
def test_the_first_records_of_a_stream(folder: Path, limit: int, files: int) -> None:
    dataset = read(folder, streaming=True, limit=limit)
    check_partition(dataset, range(1, files + 1), IDS[:limit])
    assert dataset.num_items(0, 1) == len(IDS[:limit])
    with pytest.raises(ConfigError) as caught:
        dataset.num_items(0, files + 1)
    assert str(caught.value) == (
        f"sharding.count={files + 1} is more than the {files} data file(s) that hold the first "
        f"dataset.limit={limit} records, which are streamed; set sharding.count to at most "
        f"{files}, or dataset.streaming=false"
    )


def test_the_rows_of_a_stream_are_counted_from_footers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in folder.iterdir():
        content = bytearray(path.read_bytes())
        content[4:40] = b"x" * 36  # the first page: reading it fails
        path.write_bytes(content)
    asked: list[str] = []

    def read_shape(path: str) -> tuple[int, list[str]]:
        asked.append(Path(path).name)
        return parquet.read_shape(path)

    monkeypatch.setattr(huggingface, "read_shape", read_shape)
    monkeypatch.setattr(huggingface, "_CONNECTIONS", 1)
    dataset = read(folder, streaming=True, limit=6)
    assert [dataset.num_items(shard, 2) for shard in range(2)] == [4, 2]
    assert asked == ["train-00000-of-00003.parquet", "train-00001-of-00003.parquet"]
    assert read(folder, streaming=True).num_items(1, 2) == 5
    assert read(folder).num_items(1, 2) == 5
    with pytest.raises(DatasetError, match="cannot be read"):
        list(dataset.records(0, 2))


def test_other_files_are_limited_in_one_shard(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for number in range(3):
        lines = f'{{"image": "{number}.png"}}\n' * 2
        (tmp_path / f"set/train-{number}.jsonl").write_text(lines)
    first = ["train-0.jsonl/0", "train-0.jsonl/1", "train-1.jsonl/0"]
    for streaming in (False, True):
        dataset = read(tmp_path / "set", streaming=streaming, limit=3)
        check_partition(dataset, [1], first)
        assert dataset.num_items(0, 1) is None
        with pytest.raises(ConfigError) as caught:
            list(dataset.records(1, 2))
        assert str(caught.value) == (
            "dataset.limit=3 cannot be split into sharding.count=2 shards: only Parquet files can "
            "be counted without reading them; write Parquet, or set sharding.count=1"
        )


@pytest.mark.parametrize("streaming", [False, True])
def test_records(folder: Path, streaming: bool) -> None:
    options = {"caption": "label", "id": "key", "attributes": {"stars": "int", "label": "string"}}
    items = list(read(folder, streaming=streaming, **options).records(0, 1))
    attributes = {"stars": 1, "label": "dog"}
    image = encode((1, 0, 0))
    assert items[1] == Record(
        "key-1", f"{folder}/train-00000-of-00003.parquet#1", image, "dog", attributes
    )
    assert isinstance(items[4], Reject)
    assert items[4].reason == "stars='four' is not a 64-bit integer"
    assert isinstance(items[5], Record)
    assert (items[5].caption, items[5].attributes["label"]) == (None, None)


@pytest.mark.parametrize("streaming", [False, True])
def test_image_folder(tmp_path: Path, streaming: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "clipvec")
    for name in ("cat/a.png", "dog/b.png", "dog/c.avif"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(encode())
    dataset = read(tmp_path / "set", streaming=streaming, caption="label")
    items = list(dataset.records(0, 1))
    assert [(item.image, item.caption) for item in items if isinstance(item, Record)] == [
        (encode(), "cat"),
        (encode(), "dog"),
    ]
    assert [item.uri for item in items] == [
        f"{tmp_path}/set/cat/a.png",
        f"{tmp_path}/set/dog/b.png",
    ]
    said = f"passed over .avif files, which datasets does not load (1, such as {tmp_path}/set/dog/c"
    assert said in caplog.text


def test_identity(folder: Path) -> None:
    first = read(folder).identity()
    assert (first["kind"], first["sources"]) == ("huggingface", 3)
    assert read(folder).identity() == first
    streamed = read(folder, streaming=True).identity()
    assert streamed["sources"] == 3
    assert streamed["digest"] != first["digest"]
    assert read(folder, limit=4).identity() == {**first, "limit": 4}
    assert read(folder, limit=4, streaming=True).identity() == {**streamed, "limit": 4}


def test_a_hub_dataset_is_identified_by_its_revision(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"data/{file.name}": file.read_bytes() for file in folder.iterdir()}
    found = []
    with fake_hub_of_datasets(files, tmp_path / "hub", monkeypatch):
        for note in (b"one", b"other"):
            files["note.txt"] = note
            found.append(read(REPO))
        first, second = (dataset.identity() for dataset in found)
        assert first["revision"] != second["revision"]
        assert second == {**first, "revision": second["revision"]}
        items = list(found[1].records(0, 1))
    # not where it is in a cache that other machines do not have
    assert items[4].uri == f"hf://datasets/{REPO}/data/train-00001-of-00003.parquet#0"
    assert items[4].id == "data/train-00001-of-00003/0"


def test_a_copy_that_datasets_made_is_read_offline(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not one of a single data file."""
    files = {f"data/{file.name}": file.read_bytes() for file in folder.iterdir()}
    with fake_hub_of_datasets(files, tmp_path / "cache", monkeypatch):
        assert len([*read(REPO).records(0, 1)]) == 9
        for whole in (False, True):
            if whole:
                datasets.load_dataset(REPO)
            monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
            if whole:
                check_partition(read(REPO), [1, 2], [f"train/{row}" for row in range(9)])
            else:
                with pytest.raises(DatasetError, match="Couldn't reach 'owner/pictures'"):
                    read(REPO)
            monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)


def test_gated_without_a_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr(datasets, "load_dataset", None)  # nothing may be loaded from the hub before
    with pytest.raises(ConfigError) as caught:
        read("ILSVRC/imagenet-1k", gated=True, streaming=True)
    assert str(caught.value) == (
        "dataset.path='ILSVRC/imagenet-1k' is gated and there is no HF_TOKEN; accept the terms at "
        "https://huggingface.co/datasets/ILSVRC/imagenet-1k and put HF_TOKEN=... into the "
        "environment or into .env"
    )


def test_a_local_copy_of_a_gated_dataset_needs_no_token(folder: Path) -> None:
    assert read(folder, gated=True).num_items(0, 1) == 9


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match=r"run: pip install 'clipvec\[huggingface\]'"):
        read("owner/name")


def test_an_unreachable_hub_fails_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    before = time.monotonic()
    with pytest.raises(DatasetError, match=r"dataset\.path='owner/name': the hub did not answer"):
        read("owner/name")
    assert time.monotonic() - before < 5


def test_mistakes_are_one_line_errors(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    cases: list[tuple[type[Exception], str, str | Path, dict[str, object]]] = [
        (
            DatasetError,
            "dataset.path='owner/name' cannot be read: Couldn't reach",
            "owner/name",
            {},
        ),
        (DatasetError, "empty': not found: ", tmp_path / "empty", {}),
        (DatasetError, "['train']", folder, {"split": "test"}),
        (ConfigError, "dataset.image=img is not a column of", folder, {"image": "img"}),
        (ConfigError, "its columns are image, label, stars, key", folder, {"id": "name"}),
        (
            ConfigError,
            "attributes.caption is a reserved",
            folder,
            {"attributes": {"caption": "int"}},
        ),
    ]
    for kind, message, path, options in cases:
        for streaming in (False, True):
            with pytest.raises(kind) as caught:
                read(path, streaming=streaming, **options).num_items(0, 1)
            assert message in str(caught.value)
            assert "\n" not in str(caught.value)


def test_footers_are_fetched_together(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    counted = huggingface.HuggingFaceDataset._counted

    def spy(self: huggingface.HuggingFaceDataset, pieces: list[object]) -> list[int]:
        calls.append(len(pieces))
        return counted(self, pieces)  # type: ignore[arg-type]

    monkeypatch.setattr(huggingface.HuggingFaceDataset, "_counted", spy)
    assert read(folder, streaming=True, limit=100).num_items(0, 1) == 9
    assert calls == [3, 1, 1, 1]


def test_an_archive_of_parquet_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "zipped").mkdir()
    with zipfile.ZipFile(tmp_path / "zipped/train.zip", "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    for streaming in (False, True):
        with pytest.raises(DatasetError) as caught:
            read(tmp_path / "zipped", streaming=streaming).num_items(0, 1)
        assert str(caught.value) == (
            f"{tmp_path}/zipped/train.zip packs Parquet files, which datasets cannot read so; "
            "unpack it"
        )
