"""The members of a tar become records and rejects."""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

import pytest

from clipvec.data import Record, Reject
from tests.data.making import check_partition, encode, everything, write_tar
from tests.data.making import read_tars as read


def test_members_that_are_not_images(tmp_path: Path) -> None:
    members = [
        ("__meta__/note.jpg", b"skipped"),
        ("a.left.png", encode()),
        ("a.right.png", encode()),
        ("a.txt", b"words"),
        ("b.cls", b"\x80\x04never unpickled"),
        ("b.json", b'{"text": "from json"}'),
        ("b.png", encode()),
        ("c.png", encode()),
        ("c.json", b"{broken"),
        ("._d.png", b"an AppleDouble file"),
    ]
    write_tar(tmp_path / "t.tar", members)
    no_image, good, bad_json = read(tmp_path / "t.tar", caption="text").records(0, 1)
    uri = f"{tmp_path}/t.tar#a"
    reason = "more than one image member, none named by the key alone: left.png, right.png, txt"
    assert no_image == Reject("t/a", uri, reason, "NoImage")
    assert isinstance(good, Record)
    assert good.caption == "from json"
    assert isinstance(bad_json, Reject)
    assert bad_json.error == "InvalidJson"
    assert bad_json.reason.startswith("its .json member is not valid JSON: ")


def test_the_suffix_does_not_decide_the_format(tmp_path: Path) -> None:
    members = [
        ("a.heic", encode()),
        ("b.x.CR2", b"II*\0 its preview may be called the image"),
        ("b.txt", b"words"),
        ("c.nef", b"?"),
        ("c.jpg", encode()),
    ]
    for mode, name in (("w", "t.tar"), ("w:gz", "t.tar.gz")):
        write_tar(tmp_path / name, members, mode)
        heic, raw, pair = read(tmp_path / name).records(0, 1)
        assert isinstance(heic, Record)
        assert heic.image == encode()
        reason = "raw (.cr2) by its name, and by its content nothing that is read; "
        reason += "convert it to JPEG, PNG or WebP"
        assert raw == Reject("t/b", f"{tmp_path}/{name}#b", reason, "UnsupportedFormat")
        assert isinstance(pair, Record)
        assert pair.image == encode()


@pytest.mark.parametrize("folder", ["", "train/", "./photos/2019/", "v1.0/"])
def test_a_tar_made_on_a_mac(tmp_path: Path, folder: str, caplog: pytest.LogCaptureFixture) -> None:
    members = [("./._train", b"\0\5\x16\7"), ("__MACOSX/train/._0.png", b"\0\5\x16\7")]
    for number in range(3):
        for suffix, content in (("png", encode()), ("txt", f"no {number}".encode())):
            members += [
                (f"{folder}._{number}.{suffix}", b"\0\5\x16\7"),
                (f"{folder}{number}.{suffix}", content),
            ]
    write_tar(tmp_path / "t.tar", members)
    dataset = read(tmp_path / "t.tar")
    name = folder.removeprefix("./")
    check_partition(dataset, [1, 2], [f"t/{name}{number}" for number in range(3)])
    caplog.clear()
    with caplog.at_level("INFO"):
        items = list(dataset.records(0, 1))
    assert [item.caption for item in items if isinstance(item, Record)] == ["no 0", "no 1", "no 2"]
    assert caplog.messages == [
        "shard 0 of test: passed over AppleDouble files of macOS (8, such as "
        f"{tmp_path}/t.tar#._train)"
    ]


def test_several_images_with_one_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    members = [
        ("1.jpg", encode((1, 0, 0))),
        ("1.mask.png", encode()),
        ("1.txt", b"with a mask"),
        ("2.png", encode((2, 0, 0))),
        ("2.jpg", encode()),
        ("3.image.png", encode((3, 0, 0))),
        ("3.caption.txt", b"dotted names"),
        ("3.meta.json", b'{"n": 3}'),
        ("readme", b"no suffix"),
    ]
    write_tar(tmp_path / "t.tar", members)
    with caplog.at_level("INFO"):
        items = list(read(tmp_path / "t.tar", attributes={"n": "int"}).records(0, 1))
    assert [
        (item.image, item.caption, item.attributes["n"])
        for item in items
        if isinstance(item, Record)
    ] == [
        (encode((1, 0, 0)), "with a mask", None),
        (encode((2, 0, 0)), None, None),
        (encode((3, 0, 0)), "dotted names", 3),
    ]
    assert caplog.messages == [
        "shard 0 of test: passed over images of a key that has one already (2, such as "
        f"{tmp_path}/t.tar#1.mask.png), members without a key and a suffix (1, such as "
        f"{tmp_path}/t.tar#readme)"
    ]


def test_a_tar_with_images_apart_from_captions_names_the_fix(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    members = [(f"{n}.png", encode()) for n in range(3)] + [(f"{n}.txt", b"x") for n in range(3)]
    write_tar(tmp_path / "t.tar", members)
    items = list(read(tmp_path / "t.tar").records(0, 1))
    assert [type(item) for item in items] == [Record] * 3 + [Reject] * 3
    assert caplog.messages == [
        f"{tmp_path}/t.tar#0 has no image member; where images and captions lie apart in a tar, "
        "put the members of a key together: tar --sort=name"
    ]


def test_a_caption_in_an_unknown_encoding(tmp_path: Path) -> None:
    members = [("a.png", encode()), ("a.txt", "schön".encode("cp1252"))]
    members += [("b.png", encode()), ("b.txt", "schön".encode("utf-16"))]
    write_tar(tmp_path / "t.tar", members)
    reject, good = read(tmp_path / "t.tar").records(0, 1)
    assert isinstance(reject, Reject)
    assert reject.reason.startswith("its caption member is not UTF-8, nor UTF-16 with a mark; ")
    assert isinstance(good, Record)
    assert good.caption == "schön"
    named, _ = read(tmp_path / "t.tar", encoding="cp1252").records(0, 1)
    assert isinstance(named, Record)
    assert named.caption == "schön"


def test_dots_in_names(tmp_path: Path) -> None:
    members = [
        ("cat.v1.2.jpg", encode()),
        ("cat.v1.2.txt", b"a cat"),
        ("0001.image.jfif", encode()),
        ("0001.json", b'{"caption": "a dog"}'),
        ("0002.mask.png", encode((1, 1, 1))),
        ("0002.png", encode()),
    ]
    write_tar(tmp_path / "t.tar", members)
    items = list(read(tmp_path / "t.tar").records(0, 1))
    found = [(item.id, item.caption, item.image) for item in items if isinstance(item, Record)]
    assert found == [
        ("t/cat", "a cat", encode()),
        ("t/0001", "a dog", encode()),
        ("t/0002", None, encode()),
    ]


def test_a_repeated_member_is_rejected_and_a_repeated_key_is_kept(tmp_path: Path) -> None:
    members = [("a.png", encode()), ("a.PNG", encode((1, 1, 1))), ("b.png", encode())]
    write_tar(tmp_path / "t.tar", [*members, ("a.png", encode((2, 2, 2)))])
    dataset = read(tmp_path / "t.tar")
    check_partition(dataset, [1, 2, 3, 7], ["t/a", "t/a.PNG", "t/b", "t/a"])
    first, repeat, _, later = dataset.records(0, 1)
    assert isinstance(first, Record)
    assert first.image == encode()
    assert isinstance(repeat, Reject)
    assert repeat.error == "DuplicateMember"
    assert "more than one member a.PNG" in repeat.reason
    assert isinstance(later, Record)
    assert later.image == encode((2, 2, 2))


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
@pytest.mark.parametrize("keep", [0.3, 0.5, 0.75, 0.99])
def test_a_truncated_tar(tmp_path: Path, kind: str, keep: float) -> None:
    noise = [(f"{n:03d}.jpg", encode() + os.urandom(3000)) for n in range(20)]
    whole = write_tar(tmp_path / "whole.tar", noise).read_bytes()
    end = 20 * 4096  # header and data of each member; end marker and padding follow
    content = whole[: round(end * keep)]
    if kind == "tar.gz":
        packed = gzip.compress(whole)
        content = packed[: round(len(packed) * keep)]
    (tmp_path / f"t.{kind}").write_bytes(content)
    dataset = read(tmp_path / f"t.{kind}")
    *good, last = everything(dataset, 1)[0]
    images = [item.image for item in good if isinstance(item, Record)]
    assert images == [data for _, data in noise[: len(good)]]
    assert abs(len(good) - 20 * keep) < 3
    assert isinstance(last, Reject)
    assert (last.id, last.error) == ("t", "TruncatedTar")
    assert f"truncated or damaged after {len(good)} records" in last.reason


def test_a_damaged_header_is_not_mistaken_for_the_end(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "t.tar", [(f"{n}.jpg", encode()) for n in range(4)])
    content = bytearray(path.read_bytes())
    content[2 * 1024 : 2 * 1024 + 512] = b"x" * 512
    path.write_bytes(content)
    dataset = read(path)
    check_partition(dataset, [1, 2, 5], ["t/0", "t"])
    last = list(dataset.records(0, 1))[-1]
    assert isinstance(last, Reject)
    assert last.error == "TruncatedTar"
    assert last.reason.startswith("the tar is truncated or damaged after 1 records: ")
    assert list(dataset.records(4, 5)) == [last], "the same words when it is not read from its head"


def test_an_empty_tar_among_others_has_no_records(tmp_path: Path) -> None:
    (tmp_path / "a.tar").touch()
    write_tar(tmp_path / "b.tar", [])
    write_tar(tmp_path / "c.tar", [("x.png", encode())])
    (tmp_path / "d.tar").write_text("this is no tar" * 100)
    dataset = read(tmp_path / "*.tar")
    check_partition(dataset, [1, 3, 4, 11], ["c/x", "d"])
    last = list(dataset.records(0, 1))[-1]
    assert isinstance(last, Reject)
    assert last.error == "NotATar"


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_member_that_is_too_large_is_one_reject(tmp_path: Path, mode: str) -> None:
    large = [("b.png", encode()), ("b.txt", b"x" * 5000), ("c.png", b"x" * 5000)]
    members = [("a.png", encode()), *large, ("d.png", encode())]
    path = write_tar(tmp_path / f"x.tar{'.gz' * (mode != 'w')}", members, mode)
    records = list(read(path, max_file_bytes=1000).records(0, 1))
    assert [r.error if isinstance(r, Reject) else r.id for r in records] == [
        "x/a",
        "TooManyBytes",
        "TooManyBytes",
        "x/d",
    ]


def test_an_extended_header_is_not_read_whole(tmp_path: Path) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 2**40
    path = write_tar(tmp_path / "x.tar", [("a.png", encode()), ("b.png", encode())])
    end = path.stat().st_size
    with path.open("r+b") as tar:
        tar.seek(2048)
        tar.write(header.tobuf(tarfile.GNU_FORMAT))
        tar.truncate(2**41)
    assert end < 2**20
    *_, last = read(path).records(0, 1)
    assert isinstance(last, Reject)
    assert (last.error, last.id) == ("TruncatedTar", "x")
    assert "an extended header of 1,099,511,627,776 bytes" in last.reason
