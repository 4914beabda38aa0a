"""Decodes an image file to RGB pixels, or gives one reason why it cannot."""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin, TiffImagePlugin

from clipvec.data.files import first_line
from clipvec.data.formats import Undecodable, open_image
from clipvec.data.jxl import bits_used
from clipvec.data.repair import jpeg_endings, without_metadata

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEARLY = 0.9
"""Share of a thumbnail's side that may be left, for its pixels to be means of whole pixels."""
_MAX_SAMPLE = 281
"""TIFF's tag of the largest sample that is used."""
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The inverse of each EXIF orientation; 5 and above swap width and height."""


class EmptyFile(Undecodable):
    """A file of zero bytes."""


class TooManyPixels(Undecodable):
    """A decompression bomb, or an image over the limit."""


class DamagedImage(Undecodable):
    """Truncated or malformed."""


class UnknownRange(Undecodable):
    """Samples of a type whose value range is unknown."""


class TooSlow(Undecodable):
    """It took more processor time than is allowed."""


class TooMuchMemory(Undecodable):
    """It would take more memory than is allowed."""


class DecoderCrashed(Undecodable):
    """The process that decoded it ended."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded image."""

    image: Image.Image
    """Mode RGB, upright; a large JPEG is scaled down, see `decode_image`."""
    width: int
    """Pixels of the original file, upright."""
    height: int


def decode_image(data: bytes, target: int, max_pixels: int) -> DecodedImage:
    """Return the first frame of an image file as RGB, upright.

    A JPEG is decoded at 1/2, 1/4 or 1/8 of its size if its shorter side stays at least
    ``2 * target`` pixels (libjpeg scales while decoding: three times as fast at 12 megapixels).
    Transparent pixels are composited over white. open_clip drops alpha after Pillow has resized,
    which weights colours by their alpha and so leaves black; the colour under a transparent pixel
    is left only in images of exactly the model's size and in palette images, which Pillow (13.0)
    resizes otherwise.
    16-bit greyscale is scaled to 8 bits; ``convert("RGB")`` would clip it to white. A PNG
    with metadata too large for Pillow, and a JPEG that lacks its end mark alone, are read.

    Raises:
        Undecodable: empty, not in a format that is read, truncated, damaged, of a
            sample type without a range (32 bits), or of more than ``max_pixels`` pixels, which the
            header shows before any pixel is decoded.
    """
    if not data:
        raise EmptyFile("the file is empty (0 bytes)")
    try:
        return _decode(data, target, max_pixels)
    except (Undecodable, MemoryError):
        raise
    except Image.DecompressionBombError as error:  # raised for WebP, GIF and TIFF
        raise TooManyPixels(f"exceeds Pillow's pixel limit: {error}") from error
    except Exception as error:  # Pillow's decoders raise almost any class
        decoded = _decode_repaired(data, target, max_pixels)
        if decoded is None:
            raise DamagedImage(f"the image is damaged: {first_line(error)}") from error
        return decoded


def _decode_repaired(data: bytes, target: int, max_pixels: int) -> DecodedImage | None:
    """Return what a file that Pillow refuses shows, or None where pixels are missing."""
    try:
        if data.startswith(b"\x89PNG"):
            plain = without_metadata(data)
            return _decode(plain, target, max_pixels) if len(plain) < len(data) else None
        endings = jpeg_endings(data) if data.startswith(b"\xff\xd8") else None
        if endings is None:
            return None
        decoded, other = (_decode(ending, target, max_pixels) for ending in endings)
    except Exception:  # damaged in another way as well: the first error says it
        return None
    return decoded if np.array_equal(np.asarray(decoded.image), np.asarray(other.image)) else None


def _decode(data: bytes, target: int, max_pixels: int) -> DecodedImage:
    image = open_image(data)
    width, height = image.size
    if width < 1 or height < 1:
        raise DamagedImage(f"the image has no pixels ({width} x {height})")
    if width * height > max_pixels:
        raise TooManyPixels(
            f"{width} x {height} is {width * height} pixels, more than max_pixels={max_pixels}"
        )
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(None, (2 * target, 2 * target))
    image.load()
    if isinstance(image, TiffImagePlugin.TiffImageFile):  # turned while it was loaded
        width, height = image.size
    orientation = _orientation(image)
    image = _to_rgb(image)
    if orientation in _UPRIGHT:
        image = image.transpose(_UPRIGHT[orientation])
    if orientation >= 5:
        width, height = height, width
    return DecodedImage(image, width, height)


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of a loaded image, 1 to 8; Pillow rotates TIFFs itself."""
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damaged EXIF data says nothing about the pixels
        return 1
    return value if value in _UPRIGHT else 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        samples = np.asarray(image)
        return Image.fromarray((samples >> _shift(image, samples)).astype(np.uint8)).convert("RGB")
    if image.mode in {"I", "F"}:
        raise UnknownRange(f"32-bit samples (mode {image.mode}) have no known range")
    if image.has_transparency_data:
        opaque = Image.new("RGB", image.size, "white")
        image = image.convert("RGBA")
        opaque.paste(image, mask=image)
        return opaque
    return image if image.mode == "RGB" else image.convert("RGB")


def _shift(image: Image.Image, samples: NDArray[np.uint16]) -> int:
    """Return by how many bits 16-bit samples are shifted to be 8 bits.

    Microscopes and cameras fill 10 to 14 of the 16 bits. Where the file does not say the largest
    sample it is taken for a sample of the smallest of these ranges that holds it.
    """
    highest = int(samples.max())
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        told = image.tag_v2.get(_MAX_SAMPLE, 0)
        highest = max(highest, told[0] if isinstance(told, tuple) else told)
    return bits_used(highest) - 8


def thumbnail(image: Image.Image, side: int) -> bytes:
    """Return an RGB image as JPEG (quality 85), its longest side at most ``side`` pixels."""
    scale = max(image.size) / side
    pixels = math.ceil(scale)
    if scale > 1 and scale / pixels > _NEARLY:
        image = image.reduce(pixels)  # in a quarter of the time
    elif scale > 1:
        width, height = (max(1, round(length / scale)) for length in image.size)
        # as sharp as bicubic when downscaling, in two thirds of the time
        image = image.resize((width, height), Image.Resampling.HAMMING, reducing_gap=1.5)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=85, comment=b"")  # drop the comment of the original
    return buffer.getvalue()
