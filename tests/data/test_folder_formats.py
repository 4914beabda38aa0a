"""Which files of a folder are images, whatever their names, and which of several copies is read."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from clipvec.data import Record, Reject
from tests.data.making import dng, encode, ids
from tests.data.test_folder import read


def test_the_suffix_does_not_decide_the_format(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipvec.extras.find_spec", lambda _: True)
    names = ["a.jpg", "b.jfif", "c.HEIC", "d.avif", "e.jpe", "f.JPG", "g.txt", "h.pdf", "f.cr2"]
    for name in names:
        (tmp_path / name).write_bytes(encode())
    with caplog.at_level("INFO"):
        items = list(read(tmp_path).records(0, 1))
    assert ids(items) == names[:6], "f.cr2 is f.JPG as the camera saw it"
    assert [item.image for item in items if isinstance(item, Record)] == [encode()] * 6
    assert caplog.messages == [
        f"dataset.path='{tmp_path}': passed over raw, HEIC or JPEG XL files beside a copy that is "
        "read (1, such as f.cr2), files that are no images (1, such as h.pdf), texts without an "
        "image of their name (1, such as g.txt)"
    ]


def test_a_format_is_read_once_what_reads_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.HEIC", "c.dng", "d.CR3", "e.jxl"):
        (tmp_path / name).write_bytes(encode())
    listed = []
    for there in (False, True):
        monkeypatch.setattr("clipvec.extras.find_spec", lambda _, there=there: there or None)
        listed.append(read(tmp_path).listing().column("detail"))  # type: ignore[attr-defined]
    heic, jxl, raw = (
        f'{{"reader": "{package}"}}' for package in ("pillow_heif", "imagecodecs", "rawpy")
    )
    assert listed == [[None] * 5, [None, heic, raw, raw, jxl]], "they have changed"
    assert caplog.messages == [
        f"dataset.path='{tmp_path}': 1 HEIC image, such as b.HEIC, cannot be read without "
        "pip install 'clipvec[heic]'",
        f"dataset.path='{tmp_path}': 1 JPEG XL image, such as e.jxl, cannot be read without "
        "pip install 'clipvec[jxl]'",
        f"dataset.path='{tmp_path}': 2 raw images, such as c.dng, cannot be read without "
        "pip install 'clipvec[raw]'",
    ]


def test_of_copies_the_one_that_is_read_rather_is_taken(tmp_path: Path) -> None:
    names = ["a.DNG", "a.HEIC", "b.CR3", "b.heic", "b.jpg", "c.nef", "d.cr2", "d.txt"]
    for name in (*names, "b.jxl", "e.jxl", "e.orf"):
        (tmp_path / name).write_bytes(encode())
    taken = ["a.HEIC", "b.jpg", "c.nef", "d.cr2", "e.jxl"]
    assert ids(list(read(tmp_path).records(0, 1))) == taken


def test_a_cr3_has_the_camera_in_one_block_and_the_date_in_another(tmp_path: Path) -> None:
    camera, date = Image.Exif(), Image.Exif()
    camera[ExifTags.Base.Make], camera[ExifTags.Base.Model] = "Canon", "Canon EOS R5"
    date[ExifTags.Base.DateTimeOriginal] = "2021:07:01 12:00:00"
    blocks = [each.tobytes().removeprefix(b"Exif\0\0") for each in (camera, date)]
    boxes = b"".join(
        struct.pack(">I4s", 8 + len(each), name) + each
        for name, each in zip((b"CMT1", b"CMT2"), blocks, strict=True)
    )
    (tmp_path / "a.cr3").write_bytes(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + boxes)
    (found,) = read(tmp_path, attributes={"taken": "string", "camera": "string"}).records(0, 1)
    assert isinstance(found, Record)
    assert found.attributes == {"taken": "2021-07-01 12:00:00", "camera": "Canon EOS R5"}


def test_a_raw_file_in_tiff_format_is_recognised_by_its_name(tmp_path: Path) -> None:
    for name in ("a.nef", "b.tif"):
        (tmp_path / name).write_bytes(b"II*\0 its preview may be called the image")
    (tmp_path / "rows.csv").write_text("file,caption\na.nef,x\nb.tif,x\n")
    for options in ({}, {"manifest": "rows.csv"}):
        raw, good = read(tmp_path, **options).records(0, 1)
        reason = "raw (.nef) by its name, and by its content nothing that is read; "
        reason += "convert it to JPEG, PNG or WebP"
        assert raw == Reject("a.nef", f"{tmp_path}/a.nef", reason, "UnsupportedFormat")
        assert isinstance(good, Record)
    (tmp_path / "a.nef").write_bytes(dng(encode(), (8, 6)))
    assert isinstance(next(read(tmp_path).records(0, 1)), Record), "its content tells what it is"
