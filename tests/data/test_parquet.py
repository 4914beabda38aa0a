from __future__ import annotations

import base64
import os
import re
import tracemalloc
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clipvec.config import ParquetConfig
from clipvec.data import Dataset, Record, Reject, open_dataset
from clipvec.errors import ConfigError, DatasetError
from tests.data.making import Fetched, check_partition, encode, ids, opened


def read(path: str | Path, **options: object) -> Dataset:
    return open_dataset(ParquetConfig(kind="parquet", name="test", path=str(path), **options))  # type: ignore[arg-type]


def write(folder: Path, sizes: list[int], group: int = 3) -> list[str]:
    """Write files of given sizes with small row groups; return the expected ids."""
    expected, first = [], 0
    for number, size in enumerate(sizes):
        rows = range(first, first + size)
        images = pa.array([encode((row, 0, 0)) for row in rows], pa.binary())
        columns = {
            "image": images,
            "text": [f"no {row}" for row in rows],
            "stars": [str(row) if row != 4 else "four" for row in rows],
            "key": [f"key-{row}" for row in rows],
        }
        schema = pa.schema(
            [("image", pa.binary()), *((name, pa.string()) for name in ("text", "stars", "key"))]
        )
        table = pa.table(columns, schema=schema)
        pq.write_table(table, folder / f"part-{number}.parquet", row_group_size=group)
        expected += [f"part-{number}/{row}" for row in range(size)]
        first += size
    return expected


@pytest.mark.parametrize("sizes", [[7], [3, 0, 8, 1], [20, 33]])
def test_every_record_is_in_one_shard(tmp_path: Path, sizes: list[int]) -> None:
    expected = write(tmp_path, sizes)
    check_partition(read(tmp_path / "*.parquet"), [1, 2, 3, 5, 17], expected)


@pytest.mark.parametrize("sizes", [[7], [3, 0, 8, 1], [20, 33]])
@pytest.mark.parametrize("limit", [1, 3, 7, 11, 100])
def test_the_first_records(tmp_path: Path, sizes: list[int], limit: int) -> None:
    expected = write(tmp_path, sizes)[:limit]
    dataset = read(tmp_path / "*.parquet", limit=limit)
    check_partition(dataset, [1, 2, 3, 5, 17], expected)
    assert dataset.num_items(0, 1) == len(expected)


def test_rows_before_a_limited_shard_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, [6, 6, 6, 6])
    names = opened(monkeypatch)
    dataset = read(tmp_path / "*.parquet", limit=16)
    names.clear()
    assert ids(list(dataset.records(3, 4))) == [f"part-2/{row}" for row in range(4)]
    assert names == ["part-2.parquet"]


def test_records(tmp_path: Path) -> None:
    write(tmp_path, [3, 2])
    config = {"caption": "text", "id": "key", "attributes": {"stars": "int"}}
    items = list(read(tmp_path / "*.parquet", **config).records(0, 1))
    uri = f"{tmp_path}/part-1.parquet#"
    assert items[3] == Record("key-3", f"{uri}0", encode((3, 0, 0)), "no 3", {"stars": 3}, source=1)
    reason = "stars='four' is not a 64-bit integer"
    assert items[4] == Reject("key-4", f"{uri}1", reason, "AttributeValue")


@pytest.mark.parametrize("kind", ["struct", "string"])
def test_images_as_struct_or_path(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.png").write_bytes(encode())
    paths = ["a.png", f"{tmp_path}/a.png", f"file://{tmp_path}/a.png", "missing.png", None]
    images = pa.array(paths)
    if kind == "struct":
        rows = [{"bytes": None, "path": path} for path in paths]
        rows[0] = {"bytes": encode((9, 9, 9)), "path": "elsewhere.png"}
        images = pa.array(rows, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    pq.write_table(pa.table({"image": images}), tmp_path / "t.parquet")
    dataset = read(tmp_path / "t.parquet")
    check_partition(dataset, [1, 2], [f"t/{row}" for row in range(5)])
    first, *same, missing, none = dataset.records(0, 1)
    assert isinstance(first, Record)
    assert first.image == encode((9, 9, 9) if kind == "struct" else (10, 200, 30))
    assert [item.image for item in same if isinstance(item, Record)] == [encode()] * 2
    assert isinstance(missing, Reject)
    assert (missing.id, missing.error) == ("t/3", "FileNotFoundError")
    own = f"{tmp_path}/t.parquet#0" if kind == "struct" else f"{tmp_path}/a.png"
    there = [f"{tmp_path}/a.png", f"file://{tmp_path}/a.png", f"{tmp_path}/missing.png"]
    assert [item.uri for item in (first, *same, missing)] == [own, *there]
    assert none == Reject("t/4", f"{tmp_path}/t.parquet#4", "there is no image", "NoImage")


def test_mistakes_are_one_line_errors(tmp_path: Path) -> None:
    write(tmp_path, [2])
    (tmp_path / "text.parquet").write_text("not parquet")
    pq.write_table(pa.table({"image": pa.array([], pa.binary())}), tmp_path / "empty.parquet")
    pq.write_table(pa.table({"image": [1]}), tmp_path / "number.parquet")
    good = "part-0.parquet"
    cases: list[tuple[type[Exception], str, str, dict[str, object]]] = [
        (DatasetError, "matches no file", "*.pq", {}),
        (DatasetError, "text.parquet cannot be read: Parquet", "text.parquet", {}),
        (DatasetError, "no rows in 1 file(s)", "empty.parquet", {}),
        (ConfigError, "dataset.image=image is a column of int64", "number.parquet", {}),
        (ConfigError, "dataset.image=img is not a column of", good, {"image": "img"}),
        (ConfigError, "its columns are image, text, stars, key", good, {"caption": "words"}),
        (ConfigError, "dataset.attributes.x=x is not", good, {"attributes": {"x": "int"}}),
        (ConfigError, "attributes.id is a reserved", good, {"attributes": {"id": "int"}}),
    ]
    for kind, message, name, options in cases:
        with pytest.raises(kind) as caught:
            read(tmp_path / name, **options)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


SPARK = {
    "origin": "file:/x",
    "height": 2,
    "width": 2,
    "nChannels": 3,
    "mode": 16,
    "data": b"x" * 12,
}


@pytest.mark.parametrize(
    ("images", "mend"),
    [
        (pa.array([[encode()]]), "a row for each image of a list"),
        (pa.array([[{"bytes": encode(), "path": None}]]), "a row for each image of a list"),
        (pa.array([list(encode())], pa.list_(pa.uint8())), "numbers of a row as one binary value"),
        (pa.array([SPARK]), "Spark's image struct holds pixels"),
        (pa.array([{"bytes": [1], "path": 2}]), "write the encoded image files as binary"),
        (pa.array([{"text": "x"}]), "write the encoded image files as binary"),
    ],
)
def test_columns_without_images(tmp_path: Path, images: pa.Array, mend: str) -> None:
    pq.write_table(pa.table({"image": images}), tmp_path / "t.parquet")
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "t.parquet")
    assert str(caught.value).startswith("dataset.image=image is a column of ")
    assert mend in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [pa.large_binary(), pa.binary_view(), pa.binary(len(encode()))])
def test_columns_of_every_binary_type(tmp_path: Path, kind: pa.DataType) -> None:
    pq.write_table(pa.table({"image": pa.array([encode()], kind)}), tmp_path / "t.parquet")
    (item,) = read(tmp_path / "t.parquet").records(0, 1)
    assert isinstance(item, Record)
    assert item.image == encode()


@pytest.mark.parametrize("prefix", ["", "data:image/png;base64,"])
def test_images_in_base64_name_the_fix(tmp_path: Path, prefix: str) -> None:
    text = prefix + base64.b64encode(encode() + bytes(200)).decode()
    pq.write_table(pa.table({"image": [text]}), tmp_path / "t.parquet")
    table = re.escape(f"{tmp_path}/t.parquet")
    said = rf"^dataset\.image=image is a column of images as base64 text in {table}; .*write"
    with pytest.raises(ConfigError, match=said + r" it as binary: base64\.b64decode"):
        list(read(tmp_path / "t.parquet").records(0, 1))


def test_hive_partition_keys_are_columns(tmp_path: Path) -> None:
    for number, folder in enumerate(
        ("split=train/year=2019", "split=a%20b/year=__HIVE_DEFAULT_PARTITION__")
    ):
        (tmp_path / folder).mkdir(parents=True)
        table = pa.table({"image": [encode()], "n": [number]})
        pq.write_table(table, tmp_path / folder / "0.parquet")
    kinds = {"split": "string", "year": "int", "n": "int"}
    dataset = read(tmp_path / "**/*.parquet", attributes=kinds, caption="split")
    first, second = (item for item in dataset.records(0, 1) if isinstance(item, Record))
    assert first.attributes == {"split": "a b", "year": None, "n": 1}
    assert second.attributes == {"split": "train", "year": 2019, "n": 0}
    assert second.caption == "train"
    below = tmp_path / "n=7" / "0.parquet"
    below.parent.mkdir()
    pq.write_table(pa.table({"image": [encode()], "n": [3]}), below)
    (item,) = read(below, attributes={"n": "int"}).records(0, 1)
    assert isinstance(item, Record)
    assert item.attributes == {"n": 3}, "the file's own column"
    with pytest.raises(ConfigError, match=r"year=year is not a column of .*columns are image, n$"):
        read(below, attributes={"year": "int"})


def test_memory_stays_flat_in_one_large_row_group(tmp_path: Path) -> None:
    images = pa.array([bytes([n % 256]) * 100_000 for n in range(600)], pa.binary())
    path = tmp_path / "t.parquet"
    pq.write_table(
        pa.table({"image": images}),
        path,
        row_group_size=600,
        write_batch_size=10,  # pages of a megabyte
        compression="none",
        use_dictionary=False,
    )
    del images
    dataset = read(path)
    before = pa.total_allocated_bytes()
    highest = 0
    tracemalloc.start()  # data read from a file is in Python's memory before it is in Arrow's
    for item in dataset.records(0, 1):
        assert isinstance(item, Record)
        highest = max(highest, pa.total_allocated_bytes() - before)
    highest += tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert highest < 40_000_000


def test_only_the_needed_columns_of_a_remote_file_are_fetched(
    tmp_path: Path, ranges: tuple[str, Fetched]
) -> None:
    def column(first: int) -> list[bytes]:
        return [os.urandom(20_000) + bytes([first]) for _ in range(200)]

    columns = {"other": column(0), "image": column(1), "third": column(2), "key": list("ab" * 100)}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    server, fetched = ranges
    dataset = read(f"{server}/t.parquet", id="key")
    assert sum(fetched["/t.parquet"]) < 100_000, "the footer"
    items = list(dataset.records(0, 1))
    assert [item.image for item in items if isinstance(item, Record)] == columns["image"]
    assert 4_000_000 < sum(fetched["/t.parquet"]) < 4_300_000


def test_object_store(tmp_path: Path) -> None:
    expected = write(tmp_path, [4, 3])
    store = fsspec.filesystem("memory")
    store.put(f"{tmp_path}/", "/parquet-bucket/", recursive=True)
    store.pipe("/parquet-bucket/a.png", encode())
    store.pipe("/parquet-bucket/paths.pq", b"")
    with store.open("/parquet-bucket/paths.pq", "wb") as stream:
        pq.write_table(pa.table({"image": ["a.png", "none.png"]}), stream)
    try:
        dataset = read("memory://parquet-bucket/*.parquet")
        check_partition(dataset, [1, 3, 9], expected)
        assert dataset.identity() == read(tmp_path / "*.parquet").identity()
        by_path, missing = read("memory://parquet-bucket/paths.pq").records(0, 1)
        assert isinstance(by_path, Record)
        assert by_path.image == encode()
        assert isinstance(missing, Reject)
    finally:
        store.rm("/parquet-bucket", recursive=True)
