"""Image formats, known by the first bytes of a file: a name or a brand may say anything."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "avif", "gif", "bmp", "tif", "tiff"}
)
"""File name endings of images, in lower case."""
UNREADABLE = frozenset(
    {"heic", "heif", "jxl", "jp2", "psd", "cr2", "cr3", "nef", "arw", "dng", "raf", "orf", "rw2"}
)
"""Endings of images that are rarely readable: listed like the others, and judged by their bytes."""

RAW_SUFFIXES = frozenset({"cr2", "nef", "arw", "dng", "orf", "rw2"})
"""Of these, endings of raw files that are TIFFs, whose content may not tell what they are."""

# Image.open would try some forty formats, and would hold every image against Pillow's one limit
# for the whole process (MAX_IMAGE_PIXELS); the limit here is an argument.
_OPENERS = (
    (b"\xff\xd8\xff", JpegImagePlugin.jpeg_factory),
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"II+\0", TiffImagePlugin.TiffImageFile),  # BigTIFF
    (b"MM\0+", TiffImagePlugin.TiffImageFile),
)
"""The mark of each format, and what opens it."""
_NOT_READ = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "PSD"),
    (b"IIU\0", "raw (RW2)"),
    (b"IIRO", "raw (ORF)"),
    (b"IIRS", "raw (ORF)"),
    (b"MMOR", "raw (ORF)"),
    (b"FUJIFILMCCD-RAW", "raw (RAF)"),
)
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIC"),
    **dict.fromkeys((b"mif1", b"msf1"), "HEIF"),
    b"crx ": "raw (CR3)",
}
"""Brands of ISO base media files; that of the first match, in this order, names the format."""
_FTYP_BYTES = 512
_DNG_VERSION = 50706
_SUBFILE_TYPE = 254
_REDUCED = 1
_PAGES = 64
"""Pages of a TIFF that are looked at for the full image."""


class Undecodable(Exception):
    """An image file that cannot be turned into pixels; the message is one line for a reader.

    Rejects are counted by the classes below.
    """


class NotAnImage(Undecodable):
    """None of the formats that are known."""


class UnsupportedFormat(Undecodable):
    """An image in a format, or a variant of one, that is not read."""


def open_image(data: bytes) -> Image.Image:
    """Read the header of an image file alone; of a TIFF that of its first full page.

    Raises:
        NotAnImage: none of the formats that are known.
        UnsupportedFormat: an image of another format, or of a variant that Pillow does not read.
    """
    for mark, opener in _OPENERS:
        if data.startswith(mark):
            if opener is TiffImagePlugin.TiffImageFile:
                return _open_tiff(data)
            return opener(BytesIO(data))
    if data[4:8] == b"ftyp":
        name = _brand(data)
        if name == "AVIF":
            return AvifImagePlugin.AvifImageFile(BytesIO(data))
        if name is not None:
            raise not_read(name)
    for mark, name in _NOT_READ:
        if data.startswith(mark):
            raise not_read(name)
    raise NotAnImage("not a supported image format (JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF)")


def not_read(name: str) -> UnsupportedFormat:
    """Return the error of an image in a format that is not read."""
    return UnsupportedFormat(f"{name} images are not read; convert it to JPEG, PNG or WebP")


def raw_by_name(suffix: str, image: object) -> bool:
    """Say whether a TIFF is a raw file by its name, whose first full page may be a preview."""
    return suffix in RAW_SUFFIXES and isinstance(image, bytes) and image[:2] in {b"II", b"MM"}


def _brand(data: bytes) -> str | None:
    """Return the format that a file's brands name: the major one, or any compatible one."""
    end = min(int.from_bytes(data[:4], "big"), _FTYP_BYTES, len(data))
    brands = {data[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    return next((name for brand, name in _BRANDS.items() if brand in brands), None)


def _open_tiff(data: bytes) -> Image.Image:
    """Open the first page of a TIFF that is not a reduced copy of another.

    Raw files are TIFFs whose full image is in a form of the camera's: Pillow would take the small
    preview for the image.
    """
    if data[8:10] == b"CR":
        raise not_read("raw (CR2)")
    try:
        image = TiffImagePlugin.TiffImageFile(BytesIO(data))
        if _DNG_VERSION in image.tag_v2:
            raise not_read("raw (DNG)")
        for page in range(1, _PAGES):
            if not image.tag_v2.get(_SUBFILE_TYPE, 0) & _REDUCED:
                break
            try:
                image.seek(page)
            except EOFError:
                raise not_read("raw (a TIFF of reduced pages alone)") from None
    except SyntaxError as error:  # what Pillow raises for a layout or compression it does not know
        if "unknown" in str(error):
            raise _variant_not_read(f"this layout ({error})") from error
        if str(error).isdecimal():
            raise _variant_not_read(f"compression {error}") from error
        raise
    if image.info.get("compression") == "webp":  # libtiff in Pillow's wheels is built without it
        raise _variant_not_read("compression webp")
    return image


def _variant_not_read(variant: str) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"TIFFs of {variant} are not read; convert it to RGB or grey of 8 bits without compression"
    )
