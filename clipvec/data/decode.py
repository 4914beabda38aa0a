"""From the bytes of an image file to RGB pixels, or one reason why that cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from clipvec.data.files import first_line

SUFFIXES = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "avif", "gif", "bmp", "tif", "tiff"}
)
"""File name endings of images, in lower case."""
UNREADABLE = frozenset(
    {"heic", "heif", "jxl", "jp2", "psd", "cr2", "cr3", "nef", "arw", "dng", "raf", "orf", "rw2"}
)
"""Endings of images that are not read; they are rejected, not passed over.

Pillow would take the small preview in a raw file for the image.
"""

# Image.open would try some forty formats, and would hold every image against Pillow's one limit
# for the whole process (MAX_IMAGE_PIXELS); the limit here is an argument.
_OPENERS = (
    (0, b"\xff\xd8\xff", JpegImagePlugin.jpeg_factory),
    (0, b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (0, b"RIFF", WebPImagePlugin.WebPImageFile),
    (4, b"ftypavi", AvifImagePlugin.AvifImageFile),
    (0, b"GIF8", GifImagePlugin.GifImageFile),
    (0, b"BM", BmpImagePlugin.BmpImageFile),
    (0, b"II", TiffImagePlugin.TiffImageFile),
    (0, b"MM", TiffImagePlugin.TiffImageFile),
)
"""Of each format: where its mark stands, the mark, and what opens it."""
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation; from 5 on, width and height change places."""


class Undecodable(Exception):
    """An image file that cannot be turned into pixels; the message is one line for a reader.

    Rejects are counted by the classes below.
    """


class EmptyFile(Undecodable):
    """A file of zero bytes."""


class NotAnImage(Undecodable):
    """None of the formats that are read."""


class TooManyPixels(Undecodable):
    """A decompression bomb, or an image over the limit."""


class DamagedImage(Undecodable):
    """Cut off, or against its format."""


class UnknownRange(Undecodable):
    """Samples of a type whose black and white are not known."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded image."""

    image: Image.Image
    """Mode RGB, upright; a large JPEG comes scaled down, see `decode`."""
    width: int
    """Pixels of the file, upright."""
    height: int


def decode_image(data: bytes, target: int, max_pixels: int) -> DecodedImage:
    """Return the first frame of an image file as RGB, upright.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where its shorter side stays at least
    ``2 * target`` pixels (libjpeg scales while it decodes: three times as fast at 12 megapixels).
    Transparent pixels are composited over white. open_clip's own ``convert("RGB")`` drops alpha,
    so that whatever colour lies under a transparent background, mostly black, is embedded.
    16-bit greyscale is scaled to 8 bits, where ``convert("RGB")`` would clip it to white.

    Raises:
        Undecodable: empty, not JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF, cut off, damaged, of a
            sample type without a range (32 bits), or of more than ``max_pixels`` pixels, which is
            known from the header before any pixel is decoded.
    """
    if not data:
        raise EmptyFile("the file is empty (0 bytes)")
    try:
        return _decode(data, target, max_pixels)
    except Undecodable:
        raise
    except Image.DecompressionBombError as error:  # WebP, GIF and TIFF have a limit of their own
        raise TooManyPixels(f"over Pillow's own limit of pixels: {error}") from error
    except Exception as error:  # Pillow's decoders raise nearly every class there is
        raise DamagedImage(f"the image is damaged: {first_line(error)}") from error


def _decode(data: bytes, target: int, max_pixels: int) -> DecodedImage:
    image = _open(data)
    width, height = image.size
    if width < 1 or height < 1:
        raise DamagedImage(f"the image has no pixels ({width} x {height})")
    if width * height > max_pixels:
        raise TooManyPixels(
            f"{width} x {height} is {width * height} pixels, over max_pixels={max_pixels}"
        )
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(None, (2 * target, 2 * target))
    image.load()
    orientation = _orientation(image)
    image = _to_rgb(image)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    if orientation >= 5:
        width, height = height, width
    return DecodedImage(image, width, height)


def _open(data: bytes) -> Image.Image:
    """Read the header alone."""
    for at, mark, opener in _OPENERS:
        if data.startswith(mark, at):
            return opener(BytesIO(data))
    raise NotAnImage("not an image that is read: neither JPEG, PNG, WebP, AVIF, GIF, BMP nor TIFF")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a loaded image, 1 to 8; Pillow itself has turned a TIFF."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF data says nothing about the pixels
        return 1
    return value if value in _UPRIGHT else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in {"I", "F"}:
        raise UnknownRange(f"samples of 32 bits (mode {image.mode}) have no known range")
    if image.has_transparency_data:
        opaque = Image.new("RGB", image.size, "white")
        image = image.convert("RGBA")
        opaque.paste(image, mask=image)
        return opaque
    return image if image.mode == "RGB" else image.convert("RGB")


def thumbnail(image: Image.Image, side: int) -> bytes:
    """Return an RGB image as JPEG (quality 85), its longest side at most ``side`` pixels."""
    scale = side / max(image.size)
    if scale < 1:
        width, height = (max(1, round(length * scale)) for length in image.size)
        # as sharp as bicubic when it scales down, in two thirds of the time
        image = image.resize((width, height), Image.Resampling.HAMMING, reducing_gap=1.5)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=85, comment=b"")  # not the comment of the original
    return buffer.getvalue()
