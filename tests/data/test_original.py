"""Originals of rows, opened again by their URIs."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from clipvec.data import NotShown, open_original
from clipvec.data.original import _places


def image(kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((90, 60), 50).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def pack(path: Path, members: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))


def read(uri: str) -> bytes:
    found = open_original(uri)
    content = b"".join(found.pieces())
    assert found.size == len(content)
    assert found.stream.closed
    return content


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "AVIF", "GIF", "BMP"])
def test_a_file_by_its_content(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "a #1 photo.txt"  # its name says nothing
    file.write_bytes(image(kind))
    found = open_original(str(file))
    assert found.media_type == f"image/{kind.lower()}"
    assert b"".join(found.pieces()) == file.read_bytes()


@pytest.mark.parametrize(
    "content",
    [
        image("TIFF"),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"<script>alert(1)</script>",
        b"RIFF\0\0\0\0WAVEfmt ",
    ],
    ids=["tiff", "heic", "page", "sound"],
)
def test_a_file_that_browsers_do_not_show(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.jpg"
    file.write_bytes(content)
    with (found := open_original(str(file))).stream:
        assert (found.media_type, found.size) == (None, len(content))


def test_members_of_tars(tmp_path: Path) -> None:
    content = {name: image() for name in ("a/one.jpg", "a/two #2.jpg", "three.1.png")}
    pack(tmp_path / "t.tar", {"a/one.txt": b"one", **content, "four.txt": b"no image"})
    place = f"{tmp_path}/t.tar"
    assert read(f"{place}#a/one") == content["a/one.jpg"]
    assert read(f"{place}#a/two %232") == content["a/two #2.jpg"]
    assert read(f"{place}#three") == content["three.1.png"]
    for gone in ("four", "a/one.jpg", "a"):
        with pytest.raises(NotShown, match=f"the image is gone: .*t.tar has no {gone}"):
            open_original(f"{place}#{gone}")
    known = _places.cache_info().misses
    read(f"{place}#a/one")
    assert _places.cache_info().misses == known
    pack(tmp_path / "t.tar", {"a/one.jpg": (other := image())})
    os.utime(place, ns=(1, 1))
    assert read(f"{place}#a/one") == other


def test_bundled_images() -> None:
    found = open_original("pkg://clipvec/sample_data/sample-0002.tar#0133")
    with found.stream:
        assert found.media_type in {"image/jpeg", "image/png", "image/webp"}


def test_what_is_not_shown(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "broken.tar").write_bytes(b"x" * 5000)
    pack(tmp_path / "t.tar.gz", {"one.jpg": image()}, "w:gz")
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    for uri, reason in {
        "s3://bucket/a.jpg": "the original is not on this machine: s3://bucket/a.jpg",
        "https://example.org/a.tar#one": "is not on this machine",
        "zip://a.jpg::file:///tmp/a.zip": "is not on this machine",
        f"{tmp_path}/none.jpg": "the file is gone: ",
        f"{tmp_path}/none.tar#one": "the file is gone: ",
        f"{tmp_path}": "the file cannot be",
        f"{tmp_path}/\0.jpg": "the file cannot be opened",
        f"{tmp_path}/pipe.jpg": "it is a pipe",
        f"{tmp_path}/broken.tar#one": "the image is gone",
        f"{tmp_path}/t.tar.gz#one": "only files and plain tars are opened",
        f"{tmp_path}/rows.parquet#7": "only files and plain tars are opened",
    }.items():
        with pytest.raises(NotShown, match=reason):
            open_original(uri)
