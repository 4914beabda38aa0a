from __future__ import annotations

import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import fsspec
import pytest

from clipvec.data import Cursor, Record, file_of
from clipvec.errors import ConfigError, DatasetError
from tests.data.making import (
    Fetched,
    check_partition,
    encode,
    everything,
    ids,
    opened,
    samples,
    write_tar,
)
from tests.data.making import read_tars as read
from tests.http_server import served


def img2dataset(folder: Path, sizes: list[int]) -> list[str]:
    """Write tars of given sizes; return the expected ids."""
    expected = []
    for shard, size in enumerate(sizes):
        write_tar(folder / f"{shard:05d}.tar", samples(shard * 20, size))
        (folder / f"{shard:05d}_stats.json").write_text("{}")
        expected += [f"{shard:05d}/{shard * 20 + number:09d}" for number in range(size)]
    return expected


@pytest.mark.parametrize("sizes", [[5], [3, 1, 4], [2, 0, 7, 1]])
def test_every_record_is_in_one_shard(tmp_path: Path, sizes: list[int]) -> None:
    expected = img2dataset(tmp_path, sizes)
    check_partition(read(tmp_path / "*.tar"), [1, 2, 3, 4, 5, 9, 30], expected)


@pytest.mark.parametrize("sizes", [[5], [3, 1, 4], [2, 0, 7, 1]])
@pytest.mark.parametrize("limit", [1, 3, 4, 100])
def test_the_first_records(tmp_path: Path, sizes: list[int], limit: int) -> None:
    expected = img2dataset(tmp_path, sizes)[:limit]
    dataset = read(tmp_path / "*.tar", limit=limit)
    check_partition(dataset, [1, 2, 3, 4, 5, 9, 30], expected)
    assert dataset.num_items(0, 1) == len(expected)


def test_the_first_records_are_cut_into_equal_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    img2dataset(tmp_path, [3, 1, 4, 5, 6])
    names = opened(monkeypatch)
    dataset = read(tmp_path / "*.tar", limit=6)
    assert [len(items) for items in everything(dataset, 2)] == [3, 3]
    assert [len(items) for items in everything(dataset, 3)] == [2, 2, 2]
    assert [len(items) for items in everything(dataset, 5)] == [1, 1, 1, 1, 2]
    assert set(names) == {"00000.tar", "00001.tar", "00002.tar"}
    names.clear()
    assert len(list(dataset.records(2, 3))) == 2
    assert names == ["00002.tar"]


def test_rejects_count_towards_the_limit(tmp_path: Path) -> None:
    members = [("a.png", encode()), ("a.PNG", encode()), ("b.png", encode())]
    write_tar(tmp_path / "t.tar", members)
    check_partition(read(tmp_path / "t.tar", limit=2), [1, 2, 3], ["t/a", "t/a.PNG"])


def test_a_record(tmp_path: Path) -> None:
    img2dataset(tmp_path, [2])
    dataset = read(tmp_path / "00000.tar", attributes={"number": "int", "absent": "float"})
    assert list(dataset.records(0, 1, 1)) == [
        Record(
            "00000/000000001",
            f"{tmp_path}/00000.tar#000000001",
            encode((1, 0, 0)),
            "no 1",
            {"number": 1, "absent": None},
        )
    ]


def test_identity_depends_on_the_content_not_the_location(tmp_path: Path) -> None:
    img2dataset(tmp_path / "a", [2, 1])
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    first = read(tmp_path / "a/*.tar").identity()
    assert first == read(tmp_path / "b/{00000,00001}.tar").identity()
    assert first["kind"] == "webdataset"
    assert first["sources"] == 2
    write_tar(tmp_path / "b/00001.tar", samples(20, 20))
    assert first != read(tmp_path / "b/*.tar").identity()


def test_equal_keys_in_different_tars_do_not_collide(tmp_path: Path) -> None:
    for name in ("x/a.tar", "y/a.tar"):
        write_tar(tmp_path / name, samples(0, 1))
    found = ids(list(read(tmp_path / "*/*.tar").records(0, 1)))
    assert found == ["x/a/000000000", "y/a/000000000"]


def test_a_tar_with_folders_as_tar_writes_it(tmp_path: Path) -> None:
    (tmp_path / "in/sub").mkdir(parents=True)
    for name in ("one", "sub/two"):
        (tmp_path / f"in/{name}.JPG").write_bytes(encode())
        (tmp_path / f"in/{name}.txt").write_text(name)
    subprocess.run(
        ["tar", "--sort=name", "-cf", tmp_path / "t.tar", "-C", tmp_path / "in", "."], check=True
    )
    items = list(read(tmp_path / "t.tar").records(0, 1))
    assert [(item.id, item.caption) for item in items if isinstance(item, Record)] == [
        ("t/one", "one"),
        ("t/sub/two", "sub/two"),
    ]


def test_compressed_tars_are_read_whole_and_not_split(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar.gz", samples(0, 3), "w:gz")
    write_tar(tmp_path / "b.tgz", samples(10, 2), "w:gz")
    dataset = read([f"{tmp_path}/a.tar.gz", f"{tmp_path}/b.tgz"])
    check_partition(
        dataset, [1, 2], [f"a/{n:09d}" for n in (0, 1, 2)] + [f"b/{n:09d}" for n in (10, 11)]
    )
    assert dataset.num_items(0, 1) is None
    with pytest.raises(ConfigError, match=r"sharding\.count=3 is more than the 2 tar file.*most 2"):
        list(dataset.records(0, 3))


def test_compressed_tars_are_limited_in_one_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.tar.gz", "b.tar.gz", "c.tar.gz"):
        write_tar(tmp_path / name, samples(0, 3), "w:gz")
    names = opened(monkeypatch)
    dataset = read(tmp_path / "*.tar.gz", limit=4)
    expected = ["a/000000000", "a/000000001", "a/000000002", "b/000000000"]
    check_partition(dataset, [1], expected)
    assert "c.tar.gz" not in names
    assert dataset.num_items(0, 1) is None
    with pytest.raises(ConfigError) as caught:
        dataset.num_items(0, 2)
    assert str(caught.value) == (
        "dataset.limit=4 cannot be split into sharding.count=2 shards: compressed and "
        "remote tars cannot be counted without reading them; name only the first tars in "
        "dataset.path, or set sharding.count=1"
    )


@pytest.mark.parametrize("limit", [None, 9])
def test_resuming_opens_no_tar_before_the_one_it_stopped_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    img2dataset(tmp_path, [3, 1, 4, 5])
    dataset = read(tmp_path / "*.tar", limit=limit)
    whole = list(dataset.records(0, 1))
    names = opened(monkeypatch)
    cursor: Cursor | None = None
    for start, item in enumerate(whole, 1):
        file = file_of(item.uri)
        cursor = Cursor(file, cursor.items + 1 if cursor and cursor.file == file else 1)
        names.clear()
        rest = list(dataset.records(0, 1, start, cursor))
        assert [rest.uri for rest in rest] == [other.uri for other in whole[start:]]
        assert all(name >= Path(file).name for name in names)
    assert names == ["00003.tar"] or limit
    moved = Cursor(f"s3://elsewhere/{Path(file).name}", 2)
    assert ids(list(dataset.records(0, 1, 5, moved))) == [item.id for item in whole[5:]]


def test_resuming_with_number_signs_in_names(tmp_path: Path) -> None:
    for name in ("a", "a#1.tar", "b#.tar"):
        members = [("1#x.png", encode()), ("2.png", encode()), ("2.PNG", encode())]
        write_tar(tmp_path / name, [*members, ("3#.png", encode()), ("3#.png", encode())])
    with (tmp_path / "a#1.tar").open("r+b") as file:
        file.truncate(2500)
    (tmp_path / "c#.tar").write_text("this is no tar" * 100)
    dataset = read(tmp_path / "*")
    whole = list(dataset.records(0, 1))
    assert [item.uri.removeprefix(f"{tmp_path}/") for item in whole] == [
        *("a#1%23x", "a#2", "a#2.PNG", "a#3%23", "a#3%23.png"),
        *("a#1.tar#1%23x", "a#1.tar#"),
        *("b#.tar#1%23x", "b#.tar#2", "b#.tar#2.PNG", "b#.tar#3%23", "b#.tar#3%23.png"),
        "c#.tar#",
    ]
    files = [file_of(item.uri) for item in whole]
    assert list(dict.fromkeys(files)) == [f"{tmp_path}/{name}" for name in tars_of(tmp_path)]
    for start in range(1, len(whole)):
        cursor = Cursor(files[start - 1], files[:start].count(files[start - 1]))
        assert list(dataset.records(0, 1, start, cursor)) == whole[start:]


def tars_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("limit", [None, 9])
def test_resuming_within_a_range_of_a_tar(tmp_path: Path, limit: int | None) -> None:
    img2dataset(tmp_path, [9])
    dataset = read(tmp_path / "*.tar", limit=limit)
    whole = list(dataset.records(1, 3))
    cursor = Cursor(file_of(whole[0].uri), 1)
    assert [item.id for item in dataset.records(1, 3, 1, cursor)] == [w.id for w in whole[1:]]


def test_a_range_of_a_tar_is_read_from_its_first_record(tmp_path: Path) -> None:
    img2dataset(tmp_path, [9])
    dataset = read(tmp_path / "00000.tar")
    expected = list(dataset.records(1, 3, 1))
    with (tmp_path / "00000.tar").open("r+b") as file:  # reading what precedes it fails
        file.write(b"x" * 512 * 2 * 3 * 4)
    assert list(dataset.records(1, 3, 1)) == expected
    assert ids(expected) == ["00000/000000004", "00000/000000005"]


def test_a_remote_tar_that_is_split(
    tmp_path: Path, ranges: tuple[str, Fetched], caplog: pytest.LogCaptureFixture
) -> None:
    images = [encode() + os.urandom(2**20) for _ in range(40)]
    write_tar(tmp_path / "t.tar", [(f"{n:02}.png", image) for n, image in enumerate(images)])
    server, fetched = ranges
    dataset = read(f"{server}/t.tar")
    assert sum(fetched["/t.tar"]) < 1.1 * 2**20, "its first header"
    assert not caplog.messages
    assert dataset.num_items(3, 4) == 10
    assert caplog.messages == [
        f"reading all of {server}/t.tar to count its records, once per shard; avoid this with "
        "sharding.count of at most the number of tars, 1"
    ]
    fetched.clear()
    items = list(dataset.records(3, 4))
    assert [item.image for item in items if isinstance(item, Record)] == images[30:]
    assert sum(fetched["/t.tar"]) < 21 * 2**20, "ten of its forty megabytes, in blocks"


@pytest.mark.parametrize("content", [b"", b"\0" * 10240])
def test_a_dataset_of_one_empty_tar(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(DatasetError, match=r"dataset\.path='.*a\.tar': no record in 1 tar file"):
        read(tmp_path / "a.tar")


def test_reserved_attribute(tmp_path: Path) -> None:
    img2dataset(tmp_path, [1])
    with pytest.raises(ConfigError, match=r"dataset\.attributes\.uri is a reserved name"):
        read(tmp_path / "00000.tar", attributes={"uri": "string"})


def test_object_store(tmp_path: Path) -> None:
    expected = img2dataset(tmp_path, [3, 2])
    store = fsspec.filesystem("memory")
    store.put(f"{tmp_path}/", "/tars-bucket/set/", recursive=True)
    try:
        dataset = read("memory://tars-bucket/set/*.tar")
        check_partition(dataset, [1, 2, 5, 9], expected)
        assert dataset.num_items(0, 1) is None
        assert next(dataset.records(0, 1)).uri == "memory:///tars-bucket/set/00000.tar#000000000"
        assert dataset.identity() == read(tmp_path / "*.tar").identity()
        limited = read("memory://tars-bucket/set/*.tar", limit=4)
        check_partition(limited, [1], expected[:4])
        with pytest.raises(ConfigError, match=r"dataset\.limit=4 cannot be split into"):
            list(limited.records(0, 2))
    finally:
        store.rm("/tars-bucket", recursive=True)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A server of the folder without range support."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path))
    with served(handler) as url:
        yield url


def test_a_server_without_ranges_is_read_as_a_stream(tmp_path: Path, web: str) -> None:
    expected = img2dataset(tmp_path, [3, 2])
    large = ("000000021.bin", os.urandom(6 * 2**20))  # more than one block of fsspec's cache
    write_tar(tmp_path / "00001.tar", [*samples(20, 2), large])
    dataset = read(web + "/{00000,00001}.tar?token=secret")
    check_partition(dataset, [1, 2], expected)
    first = next(dataset.records(0, 1))
    assert isinstance(first, Record)
    assert (first.uri, first.image) == (f"{web}/00000.tar#000000000", encode((0, 0, 0)))
    with pytest.raises(ConfigError, match=r"sharding\.count=3 is more than the 2 tar file"):
        [list(dataset.records(shard, 3)) for shard in range(3)]
    with pytest.raises(DatasetError, match=r"/absent\.tar: not found: "):
        read(web + "/absent.tar")


def test_memory_stays_flat(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "t.tar", [(f"{n:05d}.jpg", b"x" * 5000) for n in range(2000)])
    dataset = read(path)
    tracemalloc.start()
    assert sum(1 for _ in dataset.records(0, 1)) == 2000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000
