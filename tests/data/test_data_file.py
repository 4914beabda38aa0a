"""Single data files of each kind that the package ``datasets`` reads."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from clipvec.config import HuggingFaceConfig
from clipvec.data import Record, open_dataset
from clipvec.data.data_file import DataFiles
from clipvec.data.files import Source
from clipvec.data.listing import Listing
from clipvec.errors import ConfigError, DatasetError
from tests.data.hugging_face import no_network, read
from tests.data.making import encode, write_tar

datasets = pytest.importorskip("datasets")
__all__ = ["no_network"]


leaves_open = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""Of CSV files, which datasets 5.0 leaves open."""


def written(folder: Path, kind: str, number: int) -> str:
    """Write a data file of a kind with two rows, and return its name."""
    name = f"train-{number}.{'tar' if kind == 'webdataset' else kind}"
    rows = [2 * number, 2 * number + 1]
    if kind == "webdataset":
        members = [(f"{row}.{end}", row) for row in rows for end in ("png", "txt")]
        write_tar(
            folder / name,
            [(n, encode((row, 0, 0)) if n.endswith("png") else b"words") for n, row in members],
        )
        return name
    for row in rows:
        (folder / f"{row}.png.raw").write_bytes(encode((row, 0, 0)))
    columns = {"png": [f"{folder}/{row}.png.raw" for row in rows], "txt": ["words"] * 2}
    table = datasets.Dataset.from_dict(columns)
    if kind == "arrow":
        with pa.ipc.new_stream(folder / name, table.data.schema) as writer:
            writer.write_table(table.data.table)
    else:
        {"jsonl": table.to_json, "csv": table.to_csv}[kind](folder / name)
    return name


@leaves_open
@pytest.mark.parametrize("kind", ["arrow", "csv", "jsonl", "webdataset"])
def test_each_kind_of_data_file(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    names = [written(folder, kind, number) for number in range(2)]
    read_so = [read(folder, image="png", caption="txt", streaming=way) for way in (False, True)]
    stream, disk = ([*dataset.records(0, 1)] for dataset in read_so)
    assert [item.id for item in stream] == [f"{name}/{row}" for name in names for row in range(2)]
    assert stream == disk
    assert all(isinstance(item, Record) and item.caption == "words" for item in stream)
    written(folder, kind, 2)
    known = read(folder, image="png", caption="txt").listing()
    (new,) = [name for name in known.names() if name not in names]
    chosen = Listing(known.table.filter(pa.array([name == new for name in known.names()])))
    config = HuggingFaceConfig(name="test", path=str(folder), image="png", caption="txt")
    assert [item.id for item in open_dataset(config, chosen).records(0, 1)] == [
        f"{new}/0",
        f"{new}/1",
    ]


def test_numbers_in_tars_are_not_left_to_the_first_samples(tmp_path: Path) -> None:
    """Five scores of 0 and 1, and then of 0.75, which datasets gives as 0."""
    scores = ["0", "1", "0", "1", "0", "0.75", "0.75"]
    members = [
        (f"{row}.{end}", encode((row, 0, 0)) if end == "png" else score.encode())
        for row, score in enumerate(scores)
        for end in ("png", "score.json")
    ]
    write_tar(tmp_path / "train.tar", members)
    named = {"image": "png", "caption": None, "attributes": {"score.json": "float"}}
    with pytest.raises(ConfigError, match=r"datasets cuts score\.json to whole .*dataset=webdatas"):
        read(tmp_path, **named)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("place", [0, 1])
def test_a_file_without_bytes(tmp_path: Path, streaming: bool, place: int) -> None:
    for number in range(3):
        line = f'{{"image": "{number}.png"}}\n' if number != place else ""
        (tmp_path / f"train-{number}.jsonl").write_text(line)
    items = read(tmp_path, streaming=streaming).records(0, 1)
    assert [item.id for item in items] == [f"train-{n}.jsonl/0" for n in range(3) if n != place]


@pytest.mark.parametrize("streaming", [False, True])
def test_a_card_that_declares_subsets_and_features(tmp_path: Path, streaming: bool) -> None:
    folder = tmp_path / "set"
    (folder / "small").mkdir(parents=True)
    for number in range(2):
        columns = {"image": [{"bytes": encode(), "path": None}], "label": [number]}
        datasets.Dataset.from_dict(columns).to_parquet(folder / f"small/{number}.parquet")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: small\n  data_files: small/*.parquet\n"
        "dataset_info:\n- config_name: small\n  features:\n  - name: image\n    dtype: image\n"
        "  - name: label\n    dtype:\n      class_label:\n        names:\n          '0': cat\n"
        "          '1': dog\n  splits:\n  - name: train\n    num_examples: 2\n---\n"
    )
    dataset = read(folder, subset="small", caption="label", streaming=streaming)
    items = list(dataset.records(0, 1))
    found = [(item.id, item.caption) for item in items if isinstance(item, Record)]
    assert found == [("small/0/0", "cat"), ("small/1/0", "dog")]
    with pytest.raises(DatasetError, match="'large'"):
        read(folder, subset="large")


@leaves_open
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv"])
def test_a_later_file_that_lacks_a_column(
    tmp_path: Path, kind: str, streaming: bool, declared: bool
) -> None:
    columns = {"image": ["0.png"], "text": ["words"]}
    for number in range(2):
        if number:
            del columns["text"]
        made = datasets.Dataset.from_dict(columns)
        write = {"parquet": made.to_parquet, "jsonl": made.to_json, "csv": made.to_csv}[kind]
        write(tmp_path / f"train-{number}.{kind}")
    if declared:
        (tmp_path / "README.md").write_text(
            "---\ndataset_info:\n  features:\n  - name: image\n    dtype: image\n"
            "  - name: text\n    dtype: string\n---\n"
        )
    dataset = read(tmp_path, caption="text", streaming=streaming)
    with pytest.raises((ConfigError, DatasetError)) as caught:
        list(dataset.records(0, 1))
    assert str(caught.value) == (
        f"dataset.caption=text is not a column of {tmp_path} (train-1.{kind}); "
        "its columns are image"
    )


@leaves_open
def test_each_job_opens_its_own_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for number in range(6):
        (folder / f"train-{number}.csv").write_text("image\n" + f"{number}.png\n" * 20)
    opened: list[str] = []
    rows = DataFiles.rows

    def spy(self: DataFiles, source: Source) -> object:
        opened.append(source.name)
        return rows(self, source)

    monkeypatch.setattr(DataFiles, "rows", spy)
    assert len([*read(folder).records(1, 3)]) == 40
    assert opened == ["train-2.csv", "train-3.csv"]
    opened.clear()
    assert len([*read(folder, limit=1).records(0, 1)]) == 1
    assert opened == ["train-0.csv"]
    assert not [path for path in (tmp_path / "cache").rglob("*") if "train-" in path.name]
    assert not [*(tmp_path / "cache").rglob("*clipvec-data-files*")]
    with pytest.raises(ConfigError) as caught:
        read(folder).num_items(0, 7)
    assert str(caught.value) == (
        f"sharding.count=7 is more than the 6 data file(s) of {str(folder)!r}, each of which is "
        "read from its start; set sharding.count to at most 6, or write Parquet"
    )


@leaves_open
def test_ids_are_as_written(tmp_path: Path) -> None:
    for number, ids in enumerate([["7", "8"], ["9", ""], ["012", "x"]]):
        lines = "".join(f"{id},{number}.png\n" for id in ids)
        (tmp_path / f"train-{number}.csv").write_text(f"key,image\n{lines}")
    items = [*read(tmp_path, id="key").records(0, 1)]
    assert [item.id for item in items] == ["7", "8", "9", "train-1.csv/1", "012", "x"]


@pytest.mark.parametrize("streaming", [False, True])
def test_fractions_are_no_ids(tmp_path: Path, streaming: bool) -> None:
    columns = {"image": [b"x"], "key": [9.0]}
    datasets.Dataset.from_dict(columns).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DatasetError) as caught:
        list(read(tmp_path, id="key", streaming=streaming).records(0, 1))
    assert str(caught.value) == (
        f"dataset.id=key is 9.0 in {tmp_path}/a.parquet#0: numbers with a fraction are no ids; "
        "write text or whole numbers, or give another column"
    )
