from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from clipvec.data import Undecodable, decode_image, formats, thumbnail
from tests.data.making import png_header

LIMIT = 100_000_000


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def quadrants(size: int = 32) -> Image.Image:
    """Red, green / blue, grey: the corners show the orientation."""
    image = Image.new("RGB", (size * 2, size), (255, 0, 0))
    half = size // 2
    image.paste((0, 255, 0), (size, 0, size * 2, half))
    image.paste((0, 0, 255), (0, half, size, size))
    image.paste((128, 128, 128), (size, half, size * 2, size))
    return image


def corners(data: bytes) -> list[tuple[int, ...]]:
    image = decode_image(data, 224, LIMIT).image
    assert image.mode == "RGB"
    right, bottom = image.width - 3, image.height - 3
    places = [(2, 2), (right, 2), (2, bottom), (right, bottom)]
    return [tuple(np.asarray(image)[y, x].tolist()) for x, y in places]


GOOD: dict[str, dict[str, object]] = {
    "WEBP": {"lossless": True},
    "JPEG": {"quality": 95, "subsampling": 0},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
"""Options that make each format nearly lossless."""
LOSS = {"JPEG": 3, "AVIF": 4}
CORNERS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "JPEG", "AVIF"])
def test_every_format_keeps_its_colours(kind: str) -> None:
    data = save(quadrants(), kind, **GOOD.get(kind, {}))
    assert np.abs(np.subtract(corners(data), CORNERS)).max() <= LOSS.get(kind, 0)
    decoded = decode_image(data, 224, LIMIT)
    assert (decoded.width, decoded.height) == decoded.image.size == (64, 32)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that stores it that way
    image = quadrants()
    if orientation > 1:
        image = image.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(image, kind, exif=exif, **GOOD.get(kind, {}))
    assert np.abs(np.subtract(corners(data), CORNERS)).max() <= LOSS.get(kind, 0)
    decoded = decode_image(data, 224, LIMIT)
    assert (decoded.width, decoded.height) == decoded.image.size == (64, 32)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_matter() -> None:
    data = save(quadrants(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff broken")
    assert decode_image(data, 224, LIMIT).image.size == (64, 32)


def test_sixteen_bit_grey_is_scaled() -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    for kind in ("PNG", "TIFF"):
        pixels = np.asarray(decode_image(save(Image.fromarray(values), kind), 224, LIMIT).image)
        assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]
        assert pixels.shape == (1, 4, 3)
    big_endian = save(Image.fromarray(values.astype(">u2")), "TIFF")
    assert np.asarray(decode_image(big_endian, 224, LIMIT).image)[0, :, 0].tolist() == [
        0,
        1,
        128,
        255,
    ]


def test_grey_bilevel_and_palette() -> None:
    grey = np.asarray(decode_image(save(Image.new("L", (2, 2), 77), "PNG"), 224, LIMIT).image)
    assert (grey == 77).all()
    white = np.asarray(decode_image(save(Image.new("1", (2, 2), 1), "PNG"), 224, LIMIT).image)
    assert (white == 255).all()
    palette = quadrants().quantize(8)
    assert np.abs(np.subtract(corners(save(palette, "PNG")), CORNERS)).max() == 0


def test_transparency_is_composited_over_white() -> None:
    rgba = Image.new("RGBA", (3, 1), (0, 0, 0, 0))
    rgba.putpixel((1, 0), (200, 0, 0, 255))
    rgba.putpixel((2, 0), (0, 0, 0, 128))
    expected = [[255, 255, 255], [200, 0, 0], [127, 127, 127]]
    for kind, options in {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}.items():
        data = save(rgba, kind, **options)
        assert np.asarray(decode_image(data, 224, LIMIT).image)[0].tolist() == expected
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([0, 0, 0, 200, 0, 0])
    palette.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        data = save(palette, kind, transparency=0)
        assert np.asarray(decode_image(data, 224, LIMIT).image)[0].tolist() == expected[:2]
    # of what is resized, Pillow forgets the colours of transparent pixels by itself
    exact = save(Image.new("RGBA", (224, 224), (200, 0, 0, 0)), "PNG")
    assert (np.asarray(decode_image(exact, 224, LIMIT).image) == 255).all()


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for kind in ("GIF", "WEBP", "TIFF", "PNG"):
        data = save(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        assert np.asarray(decode_image(data, 224, LIMIT).image)[0, 0].tolist() == [255, 0, 0]


def test_cmyk_jpeg() -> None:
    cmyk = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    pixel = np.asarray(decode_image(save(cmyk, "JPEG", quality=95), 224, LIMIT).image)[8, 8]
    assert np.abs(np.subtract(pixel, (255, 0, 0))).max() <= 6


def test_a_large_jpeg_is_decoded_at_a_fraction() -> None:
    decoded = decode_image(save(Image.new("RGB", (4000, 3000), (9, 99, 199)), "JPEG"), 224, LIMIT)
    assert (decoded.width, decoded.height) == (4000, 3000)
    assert decoded.image.size == (1000, 750)
    assert np.abs(np.subtract(np.asarray(decoded.image)[300, 300], (9, 99, 199))).max() <= 2
    whole = decode_image(save(Image.new("RGB", (800, 600)), "JPEG"), 336, LIMIT)
    assert whole.image.size == (800, 600)


def test_too_many_pixels_are_refused_from_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Undecodable) as caught:
        decode_image(png_header(40_000, 40_000), 224, LIMIT)
    assert str(caught.value) == "40000 x 40000 is 1600000000 pixels, more than max_pixels=100000000"
    with pytest.raises(Undecodable, match="more than max_pixels=99"):
        decode_image(save(Image.new("RGB", (10, 10)), "JPEG"), 224, 99)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow's own limit does not interfere
    for kind in ("JPEG", "PNG", "BMP"):
        assert decode_image(save(Image.new("RGB", (10, 10)), kind), 224, 100).width == 10
    with pytest.raises(Undecodable, match="exceeds Pillow's pixel limit"):
        decode_image(save(Image.new("RGB", (10, 10)), "WEBP"), 224, 100)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("keep", [0.02, 0.3, 0.7])
def test_truncated_files_are_refused(kind: str, keep: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), dtype=np.uint8)
    data = save(Image.fromarray(noise), kind)
    with pytest.raises(Undecodable, match=r"^(the image is damaged: .+|not a supported image.*)$"):
        decode_image(data[: max(3, round(len(data) * keep))], 224, LIMIT)


def test_what_is_no_image_has_one_reason_whatever_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reasons = set()
    for installed, ending in ((True, "arw"), (False, "avif")):
        monkeypatch.setattr("clipvec.extras.is_installed", lambda _, there=installed: there)
        with pytest.raises(Undecodable, match="BMP, TIFF, HEIC, JPEG XL or raw") as error:
            decode_image(b"no image", 224, LIMIT)
        reasons.add(str(error.value))
        assert formats.endings_read().startswith(ending)
    assert len(reasons) == 1  # one reason to `rejects`, wherever the jobs ran


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty (0 bytes)"),
        (
            b"<html>404 not found</html>",
            "not a supported image format (JPEG",
        ),
        (b"RIFF\0\0\0\0WAVEfmt ", "the image is damaged: "),
        (b"BM", "the image is damaged: "),
        (b"II*\0\xff\xff\xff\xff", "the image is damaged: "),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "not a supported image"),
        (png_header(0, 5), "the image "),
    ],
)
def test_files_that_are_not_images(data: bytes, message: str) -> None:
    with pytest.raises(Undecodable) as caught:
        decode_image(data, 224, LIMIT)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_no_damage_escapes_as_another_error() -> None:
    random = np.random.default_rng(1)
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        whole = np.frombuffer(save(quadrants(), kind), dtype=np.uint8)
        for _ in range(60):
            data = whole.copy()
            data[random.integers(0, min(len(data), 400), 3)] = random.integers(0, 255, 3)
            try:
                assert decode_image(data.tobytes(), 224, LIMIT).image.mode == "RGB"
            except Undecodable as error:
                assert str(error)  # noqa: PT017 - either outcome is right


def test_samples_of_32_bits_are_refused() -> None:
    data = save(Image.new("F", (2, 2), 0.5), "TIFF")
    with pytest.raises(Undecodable, match=r"32-bit samples \(mode F\) have no known range"):
        decode_image(data, 224, LIMIT)


def test_thumbnail() -> None:
    sizes = {500: (250, 125), 512: (256, 128), 400: (256, 128), 128: (256, 128), 32: (64, 32)}
    for height, size in sizes.items():
        small = Image.open(io.BytesIO(thumbnail(quadrants(height), 256)))
        assert (small.format, small.size) == ("JPEG", size)
        assert np.abs(np.subtract(np.asarray(small)[10, 10], (255, 0, 0))).max() <= 3
    for width, longest in ((5000, 250), (300, 256), (257, 256)):
        strip = Image.open(io.BytesIO(thumbnail(Image.new("RGB", (width, 1)), 256)))
        assert strip.size == (longest, 1)
