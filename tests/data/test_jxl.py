"""JPEG XL: known by its bytes, upright, in the colours and levels of its header."""

from __future__ import annotations

import base64
import struct
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image

from clipvec.data import Undecodable, announced_pixels, decode_image, is_light
from clipvec.data.exif import photo_attributes
from clipvec.data.formats import media_type
from clipvec.data.jxl import Header, read_header
from tests.data.test_decode import CORNERS, corners, quadrants, save

imagecodecs = pytest.importorskip("imagecodecs", reason="clipvec[jxl] is not installed")

LIMIT = 100_000_000
GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)
P3_LOSSY = base64.b64decode(
    "/wpBQApvDQMS5gFQ1TAmZ4ua17E99PHFPkQNCy3iCi1B5qmPsOfJoIuF4bSREHausJ1LYrR2Qkaj0dIZvK4wAFlHW2cE"
    "+InnqhlyuFlmD8CA/wtLK37lMNR1YpFlJQ+FAEVrU1npNFNd3ll/yXnlBrKs4xvg6CtsrmzqKSodFmDtbBmgqWxpKWsO"
    "tdfKAeg0jTNUgKd6+++/85RP451A+4X033/3DfXff/sVwV0uFPhx7qBfSO+v//777w6CgmFjBkU2Byr9QWO5MGruZX5l"
    "Zv767CiqbMuXG6CuJTAqGxx6hcJKghhNmMsBABOIAMQA//+qAgBQoTLKuMHLuZ4vP3RYTNu4ztBW2xaWMCaeARYSTmHj"
    "wjGbOf1Ml44GRDWoBA=="
)
"""By cjxl 0.7: 8 x 8 pixels (180, 100, 80) of an ICC profile with the primaries of Display P3 and a
gamma of 2.2, lossy."""


def jxl(samples: NDArray[Any], **options: object) -> bytes:
    """Return an image that is lossless where nothing else is said."""
    return bytes(imagecodecs.jpegxl_encode(samples, **options))


def camera_jpeg(orientation: int = 1) -> bytes:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that stores it that way
    image, exif = quadrants(), Image.Exif()
    if orientation > 1:
        image = image.transpose(Image.Transpose(undo[orientation]))
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Canon", "EOS R5"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2021:07:01 12:00:00"
    return save(image, "JPEG", quality=95, subsampling=0, exif=exif)


def packed(jpeg: bytes) -> bytes:
    return bytes(imagecodecs.jpegxl_encode_jpeg(jpeg))


def pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(decode_image(data, 224, LIMIT).image)


def refusal(data: bytes, max_pixels: int = LIMIT) -> tuple[str, str]:
    with pytest.raises(Undecodable) as caught:
        decode_image(data, 224, max_pixels)
    return type(caught.value).__name__, str(caught.value)


def flipped(data: bytes, *bits: int, **changes: object) -> bytes:
    """Return a file with bits of its header flipped, which for libjxl has the same samples.

    Args:
        data: the file.
        bits: which to flip, from the first of them on.
        changes: of the header, and no others.
    """
    start, samples = 8 * data.index(b"\xff\x0a") + 16, imagecodecs.jpegxl_decode(data)
    wanted = replace(read_header(data), **changes)  # type: ignore[arg-type]
    for place in range(start, start + 400):
        changed = bytearray(data)
        for bit in bits:
            changed[(place + bit) // 8] ^= 1 << (place + bit) % 8
        with suppress(EOFError, RuntimeError):
            same = np.array_equal(imagecodecs.jpegxl_decode(changed), samples)
            if same and read_header(bytes(changed)) == wanted:
                return bytes(changed)
    raise AssertionError(f"no bits are for {changes}")


@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("lossless", [True, False])
def test_colours_and_size(container: bool, lossless: bool) -> None:
    options = {"lossless": lossless, "distance": 0.0 if lossless else 0.3}
    data = jxl(np.asarray(quadrants()), usecontainer=container, **options)
    assert data.startswith(b"\0\0\0\x0cJXL " if container else b"\xff\x0a")
    assert np.abs(np.subtract(corners(data), CORNERS)).max() <= (0 if lossless else 6)
    decoded = decode_image(data, 224, LIMIT)
    assert (decoded.width, decoded.height) == decoded.image.size == (64, 32)
    assert media_type(data) is None, "few browsers show it"


@pytest.mark.parametrize(
    "size", [(1, 1), (256, 256), (257, 256), (320, 180), (640, 480), (60, 50), (9000, 3)]
)
def test_the_size_is_known_before_it_is_decoded(size: tuple[int, int]) -> None:
    width, height = size
    data = jxl(np.zeros((height, width, 3), np.uint8), effort=1)
    assert announced_pixels(data) == width * height
    assert not is_light(data), "it may take any memory"
    over = f"{width} x {height} is {width * height} pixels, more than max_pixels"
    for cut in (data, data[: len(data) // 2]):
        assert refusal(cut, 0) == ("TooManyPixels", f"{over}=0")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_packed_jpeg_is_applied(orientation: int) -> None:
    data = packed(camera_jpeg(orientation))
    assert np.abs(np.subtract(corners(data), CORNERS)).max() <= 3
    decoded = decode_image(data, 224, LIMIT)
    assert (decoded.width, decoded.height) == decoded.image.size == (64, 32)


def test_the_date_and_the_camera() -> None:
    taken = {"taken": "2021-07-01 12:00:00", "year": 2021, "camera": "Canon EOS R5"}
    jpeg = camera_jpeg()
    assert b"brobExif" in packed(jpeg), "compressed"
    assert photo_attributes(packed(jpeg)) == taken
    tiff = jpeg[jpeg.index(b"MM\0*") :]
    whole = jxl(GREYS, usecontainer=True)
    for box in (b"Exif", b"xml "):
        content = bytes(4) + tiff
        added = struct.pack(">I4s", 8 + len(content), box) + content
        data = whole[:32] + added + whole[32:]  # behind the signature and the type
        assert photo_attributes(data) == (taken if box == b"Exif" else {})
        assert (pixels(data)[..., 0] == GREYS).all()
    assert photo_attributes(whole) == {}


def test_whole_samples_of_any_depth() -> None:
    for bits in (1, 2, 4, 7):
        data = jxl(GREYS >> (8 - bits), bitspersample=bits)
        levels = (GREYS >> (8 - bits)) * (255 / (2**bits - 1))
        assert (pixels(data)[..., 0] == np.rint(levels)).all()
    for bits in (10, 12, 14, 16):  # of 16, the smallest range that holds them, as of a PNG
        told = jxl(GREYS.astype(np.uint16) << (bits - 8), bitspersample=bits)
        untold = jxl(GREYS.astype(np.uint16) << (bits - 8))
        for data in (told, untold):
            assert read_header(data).linear
            shown = flipped(data, 0, 2, 3, linear=False)
            assert (pixels(shown)[..., 0] == GREYS).all()
    colours = np.stack([GREYS.astype(np.uint16) * 16] * 3, -1)
    assert (pixels(flipped(jxl(colours), 0, 2, 3, linear=False))[..., 0] == GREYS >> 4).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_linear_samples_are_shown_as_srgb(kind: type, channels: int) -> None:
    light = np.linspace(0, 1, 600).reshape(20, 30)
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    samples = np.stack([light] * channels, -1)
    if channels % 2 == 0:
        samples[..., -1] = 1
    highest = 1 if np.dtype(kind).kind == "f" else np.iinfo(kind).max
    data = jxl((samples * highest).round(4 if highest == 1 else 0).astype(kind).squeeze())
    expected = light if kind is np.uint8 else curve  # which imagecodecs writes as sRGB
    assert np.abs(pixels(data)[..., 0] - expected * 255).max() <= 1
    assert read_header(data).linear == (kind is not np.uint8)


def test_floats_out_of_range_are_cut_off() -> None:
    data = jxl(np.array([[-2, -1, 0, 1, 1e9]], np.float32))
    assert pixels(data)[0, :, 0].tolist() == [0, 0, 0, 255, 255]


def test_a_lossy_image_with_an_icc_profile_is_not_dark() -> None:
    assert read_header(P3_LOSSY).linear
    assert np.abs(pixels(P3_LOSSY)[4, 4] - np.array([194.0, 94, 73])).max() <= 1


def test_transparency_is_composited_over_white() -> None:
    rgba = np.array([[[0, 0, 0, 0], [200, 0, 0, 255], [0, 0, 0, 128]]], np.uint8)
    assert pixels(jxl(rgba))[0].tolist() == [[255, 255, 255], [200, 0, 0], [127, 127, 127]]
    assert pixels(jxl(rgba[..., 2:]))[0, :, 0].tolist() == [255, 0, 127]
    half = np.full((4, 4, 4), 2**15, np.uint16)
    assert (pixels(jxl(half)) == 221).all(), "of light 0.5, at half"
    assert (pixels(flipped(jxl(half), 0, premultiplied=True)) == 255).all(), "of light 1, at half"


def test_channels_beside_the_image() -> None:
    planes = np.stack([GREYS, 255 - GREYS, GREYS // 2])
    data = jxl(planes, planar=True, photometric="GRAY")
    assert read_header(data) == Header(16, 16, 8, True, (16, 16), False, False)
    assert (pixels(data)[..., 0] == GREYS).all()
    inks = flipped(data, 0, 1, extras=(4, 16))
    reason = "JPEG XL (CMYK) images are not read; convert it to JPEG, PNG or WebP"
    assert refusal(inks) == ("UnsupportedFormat", reason)


def test_the_first_frame_of_an_animation() -> None:
    frames = np.stack([np.full((8, 8, 3), level, np.uint8) for level in (10, 100, 200)])
    assert (pixels(jxl(frames)) == 10).all()


@pytest.mark.parametrize("container", [False, True])
def test_damaged_files(container: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    data = jxl(noise, usecontainer=container)
    head = data.index(b"\xff\x0a")
    for keep in (len(data) - 3, len(data) // 2, head + 40):
        reason = "the image is damaged: image file is truncated"
        assert refusal(data[:keep]) == ("DamagedImage", reason)
    cut = "the image is damaged: its header is cut off"
    assert refusal(data[: head + 2]) == ("DamagedImage", cut)
    if container:
        reason = "the image is damaged: it has no codestream"
        assert refusal(data[:32]) == ("DamagedImage", reason)
        assert announced_pixels(data[:32]) == 0
        padded = data[:32] + struct.pack(">I4s", 8, b"free") * 10_000 + data[32:]
        assert refusal(padded) == ("DamagedImage", reason), "each box takes time"


def test_no_damage_escapes_as_another_error() -> None:
    random = np.random.default_rng(1)
    for options in ({}, {"usecontainer": True}, {"lossless": False}):
        whole = np.frombuffer(jxl(np.asarray(quadrants()), **options), np.uint8)
        for _ in range(60):
            data = whole.copy()
            data[random.integers(0, min(len(data), 400), 3)] = random.integers(0, 255, 3)
            with suppress(Undecodable):
                assert decode_image(data.tobytes(), 224, 10**6).image.mode == "RGB"


@pytest.mark.parametrize("first", [0, 2, 3, 5])
def test_the_header_in_several_boxes(first: int) -> None:
    stream = jxl(GREYS)
    pieces = [(0, stream[:first]), (0x80000001, stream[first:])]
    boxes = [(b"ftyp", b"jxl \0\0\0\0jxl ")]
    boxes += [(b"jxlp", struct.pack(">I", number) + piece) for number, piece in pieces]
    file = b"\0\0\0\x0cJXL \r\n\x87\n" + b"".join(
        struct.pack(">I", 8 + len(content)) + kind + content for kind, content in boxes
    )
    assert announced_pixels(file) == GREYS.size
    np.testing.assert_array_equal(pixels(file)[..., 0], GREYS)
