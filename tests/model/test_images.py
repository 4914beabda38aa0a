"""Images that announce much work are decoded in a process that the kernel limits."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from clipvec.data import DecoderCrashed, TooSlow, Undecodable, announced_pixels, is_light
from clipvec.model import ImageReader, Preprocess
from clipvec.model.images import prepare
from tests.waiting import until

PREPROCESS = Preprocess(32, 32, (0.5,) * 3, (0.5,) * 3, "bicubic", "shortest", 0)
_STUCK = """
import pathlib
from PIL import BmpImagePlugin

def spin(self):
    pathlib.Path(__file__).with_name("spins").touch()
    while True:
        pass

BmpImagePlugin.BmpImageFile.load = spin
"""
"""A decoder that never ends, in place of a file that makes a real one slow."""


def image(kind: str, size: tuple[int, int] = (60, 40), **options: object) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (*size[::-1], 3)).astype(np.uint8)
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def reader() -> Iterator[ImageReader]:
    with_limits = ImageReader(
        PREPROCESS, max_pixels=10**6, max_seconds=2, threads=2, thumbnail_side=16
    )
    yield with_limits
    with_limits.close()


def test_what_announces_little_work() -> None:
    assert is_light(b"")
    assert is_light(b"text")
    assert all(is_light(image(kind)) for kind in ("JPEG", "PNG", "WEBP", "BMP"))
    assert not any(is_light(image(kind)) for kind in ("TIFF", "AVIF", "GIF"))
    flat = io.BytesIO()
    Image.new("1", (5000, 5000)).save(flat, "PNG")
    assert not is_light(flat.getvalue())
    assert announced_pixels(image("GIF")) == 60 * 40
    assert not is_light(image("PNG")[:30])  # read after a repair, if at all


def test_every_scan_of_a_jpeg_counts() -> None:
    """Marks of scans behind the end are not decoded by anyone, but announced all the same."""
    progressive = image("JPEG", (1000, 1000), progressive=True)
    assert is_light(progressive)
    assert not is_light(progressive + b"\xff\xda" * 100)


@pytest.mark.parametrize(
    ("kind", "head", "piece"),
    [
        ("PNG", 33, b"\0\0\0\2tEXta\0" + zlib.crc32(b"tEXta\0").to_bytes(4, "big")),
        ("JPEG", 2, b"\xff\xfe\0\2"),
        ("JPEG", 2, b"\xff" * 2),
    ],
)
def test_every_piece_of_a_header_counts(kind: str, head: int, piece: bytes) -> None:
    """Pillow goes over each in Python, before it tells the size."""
    data = image(kind)
    for count, pixels in ((0, 60 * 40), (100, 60 * 40), (20_000, None)):
        padded = data[:head] + count * piece + data[head:]
        assert announced_pixels(padded) == pixels
        assert is_light(padded) == bool(pixels)
        assert prepare(padded, PREPROCESS, 10**6, 0).width == 60


def test_an_image_is_the_same_wherever_it_is_decoded(reader: ImageReader) -> None:
    before = set(psutil.Process().children())
    for kind in ("JPEG", "PNG", "TIFF"):
        data = image(kind)
        here, there = prepare(data, PREPROCESS, 10**6, 16), reader.apart(data)
        np.testing.assert_array_equal(here.pixels, there.pixels)
        assert here[1:] == there[1:]
    started = set(psutil.Process().children()) - before
    assert len(started) == 1  # one process for one image after the other


def test_a_decoder_takes_what_others_leave(reader: ImageReader) -> None:
    before = set(psutil.Process().children())
    reader.apart(image("TIFF"))
    (decoder,) = set(psutil.Process().children()) - before
    assert decoder.nice() > psutil.Process().nice()
    assert os.getsid(decoder.pid) == os.getsid(0), "which Linux compares before priorities"
    assert os.getpgid(decoder.pid) != os.getpgid(0), "Ctrl-C is for the command alone"


def test_a_module_in_the_current_folder_is_not_run(
    reader: ImageReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('that of a folder of photos')")
    monkeypatch.chdir(tmp_path)
    assert reader.apart(image("PNG")).width == 60


def test_a_reject_is_the_same_wherever_it_is_decoded(reader: ImageReader) -> None:
    for data in (b"", b"text", image("PNG")[:-50], image("PNG", (2000, 1000))):
        with pytest.raises(Undecodable) as here:
            prepare(data, PREPROCESS, 10**6)
        with pytest.raises(Undecodable) as there:
            reader.apart(data)
        assert type(there.value) is type(here.value)
        assert str(there.value) == str(here.value)


def test_an_image_that_takes_too_long_is_one_reject(
    reader: ImageReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_STUCK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with pytest.raises(TooSlow, match="more than max_decode_seconds=2 of a processor"):
        reader.apart(image("BMP"))
    assert reader.apart(image("PNG")).width == 60  # by another process


def test_closing_does_not_wait_for_a_decoder(
    reader: ImageReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_STUCK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    failed: list[Exception] = []

    def decode() -> None:
        try:
            reader.apart(image("BMP"))
        except Undecodable as error:
            failed.append(error)

    before = set(psutil.Process().children())
    thread = threading.Thread(target=decode)
    thread.start()
    until(lambda: set(psutil.Process().children()) - before or not thread.is_alive())
    assert thread.is_alive()
    reader.close()
    thread.join(10)
    assert not thread.is_alive()
    assert len(failed) == 1
    with pytest.raises(DecoderCrashed):
        reader.apart(image("PNG"))


PARENT = """
import sys
from clipvec.model import ImageReader, Preprocess
preprocess = Preprocess(32, 32, (0.5,) * 3, (0.5,) * 3, "bicubic", "shortest", 0)
reader = ImageReader(preprocess, max_pixels=10**6, max_seconds=60, threads=1)
reader.apart(sys.stdin.buffer.read())
"""


def test_a_decoder_ends_with_the_process_that_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(_STUCK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        parent.stdin.write(image("BMP"))
        parent.stdin.close()
        until((tmp_path / "spins").exists)
        (decoder,) = psutil.Process(parent.pid).children()
        parent.kill()
    gone, _ = psutil.wait_procs([decoder], timeout=20)
    assert gone == [decoder]


def test_memory_is_bounded_and_foretold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipvec.machine.free_bytes", lambda: 10 * 2**30)
    options = {"max_seconds": 1, "threads": 8}
    large = ImageReader(PREPROCESS, max_pixels=200_000_000, **options)  # type: ignore[arg-type]
    assert large.processes == 2
    assert large.peak_bytes == 2 * 16 * 200_000_000 + 8 * 16 * 2**24
    small = ImageReader(PREPROCESS, max_pixels=10**6, **options)  # type: ignore[arg-type]
    assert small.processes == 8
