from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from PIL import ExifTags, Image

from clipvec import config
from clipvec.config import FolderConfig
from clipvec.data import Dataset, Record, Reject, open_dataset
from clipvec.errors import ConfigError, DatasetError
from tests.data.making import check_partition, encode, ids

NAMES = ["a.png", "b/c.JPG", "b/d.tiff", "b/e/f.webp", "z.gif"]


def read(path: str | Path, **options: object) -> Dataset:
    return open_dataset(FolderConfig(kind="folder", name="test", path=str(path), **options))  # type: ignore[arg-type]


def fill(folder: Path) -> Path:
    for number, name in enumerate(NAMES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode((number, 0, 0)))
    for name in (".hidden.png", ".cache/x.png", "notes.md", "b/c.jpg.part"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"not an image")
    return folder


def test_every_record_is_in_one_shard(tmp_path: Path) -> None:
    check_partition(read(fill(tmp_path)), [1, 2, 3, 5, 11], NAMES)


@pytest.mark.parametrize("limit", [1, 3, 4, 5, 100])
def test_the_first_records(tmp_path: Path, limit: int) -> None:
    dataset = read(fill(tmp_path), limit=limit)
    check_partition(dataset, [1, 2, 3, 5, 11], NAMES[:limit])
    assert dataset.num_items(0, 1) == min(limit, 5)


def test_captions_and_attributes_beside_the_images(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "a.txt").write_text(" from text \n")
    (tmp_path / "b/c.json").write_text('{"caption": "from json", "stars": "5"}')
    (tmp_path / "b/d.json").write_text("[")
    (tmp_path / "b/e/f.json").write_text('{"stars": "many"}')
    kinds = {"stars": "int", "folder": "string"}
    first, second, broken, wrong, last = read(tmp_path, attributes=kinds).records(0, 1)
    attributes = {"stars": None, "folder": ""}
    uri = f"{tmp_path}/a.png"
    assert first == Record("a.png", uri, encode((0, 0, 0)), "from text", attributes)
    assert isinstance(second, Record)
    assert second.caption == "from json"
    assert second.attributes == {"stars": 5, "folder": "b"}
    assert isinstance(broken, Reject)
    assert broken.error == "InvalidJson"
    assert isinstance(wrong, Reject)
    assert wrong.reason == "stars='many' is not a 64-bit integer"
    assert isinstance(last, Record)
    assert last.caption is None


@pytest.mark.parametrize("suffix", ["txt", "json"])
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (os.mkfifo, "not a regular file"),
        (lambda path: path.symlink_to("nowhere"), "No such file"),
        (lambda path: path.write_bytes(b" " * 5000), "max_file_bytes=4096"),
    ],
)
def test_what_cannot_be_read_beside_an_image_is_a_reject(
    tmp_path: Path, suffix: str, make: Callable[[Path], object], reason: str
) -> None:
    (tmp_path / "a.png").write_bytes(encode())
    make(tmp_path / f"a.{suffix}")
    (item,) = read(tmp_path, max_file_bytes=4096).records(0, 1)
    assert isinstance(item, Reject)
    assert item.reason.startswith(f"a.{suffix} cannot be read: ")
    assert reason in item.reason


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_the_records_of_a_manifest_follow_its_rows(tmp_path: Path, suffix: str) -> None:
    fill(tmp_path)
    texts = {
        "csv": '\ufefffile,words,stars\nz.gif,"last, first",1\n'
        "missing.png,gone,2\na.png,,\n,none,\n",
        "jsonl": '{"file": "z.gif", "words": "last, first", "stars": 1}\n\n'
        '{"file": "missing.png", "words": "gone", "stars": 2}\n{"file": "a.png"}\n{"words": "x"}\n',
    }
    (tmp_path / f"rows.{suffix}").write_text(texts[suffix])
    kinds = {"stars": "int", "folder": "string"}
    dataset = read(tmp_path, manifest=f"rows.{suffix}", caption="words", attributes=kinds)
    expected = ["z.gif", "missing.png", "a.png", f"rows.{suffix}#3"]
    check_partition(dataset, [1, 2, 3, 9], expected)
    limited = read(tmp_path, manifest=f"rows.{suffix}", limit=2)
    check_partition(limited, [1, 2, 3], expected[:2])
    first, missing, bare, unnamed = dataset.records(0, 1)
    assert isinstance(first, Record)
    assert (first.caption, first.attributes) == ("last, first", {"stars": 1, "folder": ""})
    assert isinstance(missing, Reject)
    assert missing.error == "FileNotFoundError"
    assert missing.reason == "the image file cannot be read: No such file or directory"
    assert isinstance(bare, Record)
    assert (bare.caption, bare.attributes) == (None, {"stars": None, "folder": ""})
    assert isinstance(unnamed, Reject)
    assert unnamed.reason == "row 3 of the manifest names no file"


def test_identity_follows_the_listing_and_the_captions(tmp_path: Path) -> None:
    first = read(fill(tmp_path)).identity()
    assert (first["kind"], first["sources"]) == ("folder", 5)
    (tmp_path / "a.txt").write_text("words")
    assert read(tmp_path).identity()["digest"] != first["digest"]
    (tmp_path / "a.txt").unlink()
    assert read(tmp_path).identity() == first


def test_mistakes_are_one_line_errors(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "none").mkdir()
    (tmp_path / "no_file.csv").write_text("path,words\na.png,x\n")
    (tmp_path / "empty.csv").write_text("file\n")
    (tmp_path / "words.csv").write_text("file,words\na.png,x\n")
    (tmp_path / "bad.jsonl").write_text('{"file": "a.png"}\n{"file":\n')
    cases: list[tuple[type[Exception], str, Path, dict[str, object]]] = [
        (
            DatasetError,
            "none': no images in it; image files end in a",
            tmp_path / "none",
            {},
        ),
        (DatasetError, "is not a folder; give the images' folder", tmp_path / "absent", {}),
        (DatasetError, "is not a folder", tmp_path / "a.png", {}),
        (
            ConfigError,
            "no column 'file'; its columns are path, words",
            tmp_path,
            {"manifest": "no_file.csv"},
        ),
        (DatasetError, "manifest='empty.csv' has no row", tmp_path, {"manifest": "empty.csv"}),
        (DatasetError, "bad.jsonl, line 2: not valid JSON", tmp_path, {"manifest": "bad.jsonl"}),
        (DatasetError, "manifest='absent.csv': not found: ", tmp_path, {"manifest": "absent.csv"}),
        (ConfigError, "is not a .csv or .jsonl file", tmp_path, {"manifest": "a.png"}),
        (
            ConfigError,
            "attributes.stars=stars is not a column of words.csv; its columns are file, words",
            tmp_path,
            {"manifest": "words.csv", "attributes": {"stars": "int"}},
        ),
        (
            ConfigError,
            "dataset.caption=text is not a column",
            tmp_path,
            {"manifest": "words.csv", "caption": "text"},
        ),
        (
            ConfigError,
            "attributes.width is a reserved name",
            tmp_path,
            {"attributes": {"width": "int"}},
        ),
    ]
    for kind, message, path, options in cases:
        with pytest.raises(kind) as caught:
            read(path, **options)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_that_vanishes_is_a_reject(tmp_path: Path) -> None:
    dataset = read(fill(tmp_path))
    (tmp_path / "z.gif").unlink()
    *_, last = dataset.records(0, 1)
    assert isinstance(last, Reject)
    assert (last.id, last.error) == ("z.gif", "FileNotFoundError")


def test_file_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(encode())
    (item,) = read(tmp_path).records(0, 1)
    assert isinstance(item, Record)
    assert item.id == "caf\\udce9.png"
    assert item.image == encode()


def test_object_store(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "a.txt").write_text("words")
    store = fsspec.filesystem("memory")
    store.put(f"{tmp_path}/", "/folder-bucket/set/", recursive=True)
    try:
        dataset = read("memory://folder-bucket/set/")
        check_partition(dataset, [1, 3, 7], NAMES)
        first = next(dataset.records(0, 1))
        assert first == Record(
            "a.png", "memory:///folder-bucket/set/a.png", encode((0, 0, 0)), "words"
        )
        assert dataset.identity() == read(tmp_path).identity()
    finally:
        store.rm("/folder-bucket", recursive=True)


def test_what_photos_tell_of_themselves(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", "Canon EOS 5D\0"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2019:05:14 10:20:30"
    (tmp_path / "trip").mkdir()
    for name in ("a.jpg", "trip/b.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / name, exif=exif)
    (tmp_path / "trip/b.json").write_text('{"camera": "a scanner"}')
    (tmp_path / "c.jpg").write_bytes(encode())
    composed = config.read_command(
        "embed", ["dataset=folder", f"dataset.path={tmp_path}"], config.EmbedConfig
    )
    dataset = open_dataset(composed.dataset)
    taken = {"taken": "2019-05-14 10:20:30", "year": 2019}
    assert [item.attributes for item in dataset.records(0, 1)] == [  # type: ignore[union-attr]
        {"folder": "", "file": "a.jpg", "camera": "Canon EOS 5D", **taken},
        {"folder": "", "file": "c.jpg", "camera": None, "taken": None, "year": None},
        {"folder": "trip", "file": "b.png", "camera": "a scanner", **taken},
    ]
    (tmp_path / "c.json").write_text('{"year": "ca. 1900", "taken": ["long ago"]}')
    later = read(tmp_path, attributes=composed.dataset.attributes)
    assert [item.attributes["year"] for item in later.records(0, 1)] == [2019, None, 2019]  # type: ignore[union-attr]
    asked = [*read(tmp_path, attributes={"year": "int"}).records(0, 1)][1]
    assert isinstance(asked, Reject)
    assert asked.reason == "year='ca. 1900' is not a 64-bit integer"
    (tmp_path / "rows.csv").write_text("file,year\na.jpg,1999\nc.jpg,\n")
    kinds = {"year": "int", "camera": "string"}
    rows = read(tmp_path, manifest="rows.csv", attributes=kinds).records(0, 1)
    assert [item.attributes for item in rows] == [  # type: ignore[union-attr]
        {"year": 1999, "camera": "Canon EOS 5D"},
        {"year": None, "camera": None},
    ]


SYSTEM = [
    "2019/@eaDir/IMG_1.jpg/SYNOPHOTO_THUMB_XL.jpg",
    "2019/.@__thumb/s100IMG_1.jpg",
    "2019/._IMG_1.jpg",
    "__MACOSX/2019/x.jpg",
    "#recycle/old.jpg",
    "@recycle/old.jpg",
    "$RECYCLE.BIN/S-1-5/y.jpg",
    ".Trash-1000/files/x.jpg",
    "catalog Previews.lrdata/x.jpg",
]


def test_folders_that_file_servers_add_are_skipped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("2019/IMG_1.jpg", *SYSTEM):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encode())
    with caplog.at_level("INFO"):
        assert ids(list(read(tmp_path).records(0, 1))) == ["2019/IMG_1.jpg"]
    (line,) = caplog.messages
    assert "folders that dataset.exclude names (8, such as " in line
    assert "files that dataset.exclude names (1, such as 2019/._IMG_1.jpg)" in line
    assert len(list(read(tmp_path, exclude=[]).records(0, 1))) == 10
    some = read(tmp_path, exclude=["2019", "*old*", ".*"])
    assert ids(list(some.records(0, 1))) == [SYSTEM[6], SYSTEM[8]]
    store = fsspec.filesystem("memory")
    store.put(f"{tmp_path}/", "/excluded/", recursive=True)
    try:
        assert ids(list(read("memory://excluded").records(0, 1))) == ["2019/IMG_1.jpg"]
    finally:
        store.rm("/excluded", recursive=True)


def test_links_to_folders(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("disk2/summer/1.png", "disk2/summer/2.png", "lib/own/3.png", "lib/z/4.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encode())
    links = {"summer": "../disk2/summer", "again": "../disk2/summer", "a": "z", "own/loop": ".."}
    links |= {"own/self": "self", "dead": "/nowhere", "5.png": "own/3.png", "6.png": "gone.png"}
    for name, target in links.items():
        (tmp_path / "lib" / name).symlink_to(target)
    with caplog.at_level("INFO"):
        items = list(read(tmp_path / "lib").records(0, 1))
    assert ids(items) == ["5.png", "6.png", "own/3.png", "z/4.png"]
    assert isinstance(items[1], Reject)
    assert items[1].error == "FileNotFoundError"
    assert "links to folders that dataset.follow_links=true enters (4, such as " in caplog.text
    caplog.clear()
    with caplog.at_level("INFO"):
        followed = read(tmp_path / "lib", follow_links=True)
    assert ids(list(followed.records(0, 1))) == [
        *("5.png", "6.png", "again/1.png", "again/2.png", "own/3.png", "z/4.png")
    ]
    assert "links to folders that were entered already (3, such as a)" in caplog.text
    assert "files that are no images (2, such as dead)" in caplog.text
    (tmp_path / "only").mkdir()
    (tmp_path / "only/summer").symlink_to("../disk2/summer")
    with pytest.raises(DatasetError, match=r"passed over links to folders that dataset\.follow"):
        read(tmp_path / "only")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may list every folder")
def test_an_unreadable_folder_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path)
    (tmp_path / "b").chmod(0)
    try:
        with caplog.at_level("INFO"):
            assert ids(list(read(tmp_path).records(0, 1))) == ["a.png", "z.gif"]
    finally:
        (tmp_path / "b").chmod(0o755)
    assert "folders that cannot be read (1, such as b)" in caplog.text


WORDS = "Ein Mädchen, «schön»"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_caption_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.png").write_bytes(encode())
    (tmp_path / "b.png").write_bytes(encode())
    (tmp_path / "a.txt").write_bytes(f"{WORDS} 漢字\r\n".encode(encoding))
    (tmp_path / "b.json").write_bytes(f'{{"caption": "{WORDS}"}}'.encode(encoding))
    first, second = read(tmp_path, encoding="cp1252").records(0, 1)
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert (first.caption, second.caption) == (f"{WORDS} 漢字", WORDS)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le"])
def test_a_caption_in_an_unknown_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.png").write_bytes(encode())
    (tmp_path / "a.txt").write_bytes(WORDS.encode(encoding))
    (item,) = read(tmp_path).records(0, 1)
    assert isinstance(item, Reject)
    assert (item.error, item.reason) == (
        "UnknownEncoding",
        "its .txt file is not UTF-8, nor UTF-16 with a mark; name its encoding, such as "
        "dataset.encoding=cp1252",
    )
    (item,) = read(tmp_path, encoding=encoding).records(0, 1)
    assert isinstance(item, Record)
    assert item.caption == WORDS
    (item,) = read(tmp_path, encoding="ascii").records(0, 1)
    assert isinstance(item, Reject)
    assert item.reason.startswith("its .txt file is not ascii: ")


def test_a_caption_that_does_not_match_the_named_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode())
    (tmp_path / "a.txt").write_bytes("words".encode("utf-16-le"))
    (item,) = read(tmp_path, encoding="cp1252").records(0, 1)
    assert isinstance(item, Reject)
    assert item.reason == "its .txt file is not cp1252: it has NUL characters"


def test_a_caption_with_a_null_character(tmp_path: Path) -> None:
    """No other encoding helps."""
    (tmp_path / "a.png").write_bytes(encode())
    (tmp_path / "a.txt").write_bytes(b"some\0words")
    (item,) = read(tmp_path).records(0, 1)
    assert isinstance(item, Reject)
    assert item.reason.startswith("its .txt file is not text: it has NUL characters; take them out")


def test_names_cannot_control_the_terminal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.png", "red\x1b[31m\n.md"):
        (tmp_path / name).write_bytes(encode())
    with caplog.at_level("INFO"):
        read(tmp_path)
    (line,) = caplog.messages
    assert line.endswith("files that are no images (1, such as red [31m .md)")


def test_what_is_no_regular_file_or_too_large_is_a_reject(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")  # nobody ever writes there
    (tmp_path / "device.png").symlink_to("/dev/zero")
    with (tmp_path / "huge.png").open("wb") as sparse:
        sparse.truncate(2**40)
    (tmp_path / "ok.png").write_bytes(encode())
    records = list(read(tmp_path, max_file_bytes=1000).records(0, 1))
    rejects = {r.id: (r.error, r.reason) for r in records if isinstance(r, Reject)}
    unread = "the image file cannot be read: it"
    assert rejects == {
        "device.png": ("NotAFile", f"{unread} is a device, not a regular file"),
        "huge.png": (
            "TooManyBytes",
            f"{unread} has 1,099,511,627,776 bytes, more than dataset.max_file_bytes=1000",
        ),
        "pipe.png": ("NotAFile", f"{unread} is a pipe, not a regular file"),
    }
    assert [(r.id, r.caption) for r in records if isinstance(r, Record)] == [("ok.png", None)]


def test_a_manifest_that_is_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "rows.csv")
    with pytest.raises(DatasetError, match=r"rows.csv' cannot be read.* is a pipe, not a regular"):
        read(tmp_path, manifest="rows.csv")
