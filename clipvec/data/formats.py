"""Image formats, recognised by a file's first bytes: its name or its brand may be wrong."""

from __future__ import annotations

from importlib.util import find_spec
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
"""Endings of images that are rarely readable: listed like the others, then judged by content."""

HEIC_ENDINGS = (".heic", ".heif")
"""Of names of these, what iPhones write, which `HEIC_PACKAGE` reads."""
HEIC_PACKAGE = "pillow_heif"
HEIC_MEND = "pip install 'clipvec[heic]'"
RAW_SUFFIXES = frozenset({"cr2", "nef", "arw", "dng", "orf", "rw2"})
"""Of these, raw files in TIFF format, whose content may not identify them as raw."""

# Image.open would try some forty formats and enforce Pillow's process-wide limit
# (MAX_IMAGE_PIXELS); here the limit is an argument.
_OPENERS = (
    (b"\xff\xd8\xff", "JPEG", JpegImagePlugin.jpeg_factory),
    (b"\x89PNG\r\n\x1a\n", "PNG", PngImagePlugin.PngImageFile),
    (b"RIFF", "WebP", WebPImagePlugin.WebPImageFile),
    (b"GIF8", "GIF", GifImagePlugin.GifImageFile),
    (b"BM", "BMP", BmpImagePlugin.BmpImageFile),
    (b"II*\0", "TIFF", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", "TIFF", TiffImagePlugin.TiffImageFile),
    (b"II+\0", "TIFF", TiffImagePlugin.TiffImageFile),  # BigTIFF
    (b"MM\0+", "TIFF", TiffImagePlugin.TiffImageFile),
)
"""The signature of each format, its name, and the function that opens it."""
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
"""Brands of ISO base media files; the first match, in this order, names the format."""
_MEDIA_TYPES = {
    name: f"image/{name.lower()}" for name in ("JPEG", "PNG", "WebP", "AVIF", "GIF", "BMP")
}
_FTYP_BYTES = 512
_DNG_VERSION = 50706
_SUBFILE_TYPE = 254
_REDUCED = 1
_PAGES = 64
"""Pages of a TIFF that are searched for the full image."""


class Undecodable(Exception):
    """An image file that cannot be decoded to pixels; the message is one line for the user.

    Rejects are counted by the classes below.
    """


class NotAnImage(Undecodable):
    """Not in any known image format."""


class UnsupportedFormat(Undecodable):
    """An image in an unsupported format, or in an unsupported variant of one."""


def open_image(data: bytes) -> Image.Image:
    """Read only the header of an image file; of a TIFF that of its first full page.

    Raises:
        NotAnImage: not in any known image format.
        UnsupportedFormat: in another format, or in a variant that Pillow does not read.
    """
    for mark, _, opener in _OPENERS:
        if data.startswith(mark):
            if opener is TiffImagePlugin.TiffImageFile:
                return _open_tiff(data)
            return opener(BytesIO(data))
    if data[4:8] == b"ftyp":
        name = _brand(data)
        if name == "AVIF":
            return AvifImagePlugin.AvifImageFile(BytesIO(data))
        if name in {"HEIC", "HEIF"}:
            return _open_heic(data, name)
        if name is not None:
            raise not_read(name)
    for mark, name in _NOT_READ:
        if data.startswith(mark):
            raise not_read(name)
    raise NotAnImage("not a supported image format (JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF)")


def reads_heic() -> bool:
    """Return whether the package that reads HEIC is installed."""
    return find_spec(HEIC_PACKAGE) is not None


def _open_heic(data: bytes, name: str) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise UnsupportedFormat(f"{name} images need {HEIC_MEND}") from None
    image: Image.Image = HeifImageFile(BytesIO(data))
    return image


def known_by_mark(data: bytes) -> str | None:
    """Return the format that the first bytes of a file name, of those that are read."""
    if data[4:8] == b"ftyp":
        return "AVIF or HEIC"
    return next((name for mark, name, _ in _OPENERS if data.startswith(mark)), None)


def media_type(head: bytes) -> str | None:
    """Return the media type of an image that every browser shows, by its first bytes."""
    if head.startswith(b"RIFF") and head[8:12] != b"WEBP":
        return None
    name = _brand(head) if head[4:8] == b"ftyp" else known_by_mark(head)
    return _MEDIA_TYPES.get(name or "")


def not_read(name: str) -> UnsupportedFormat:
    """Return the error for an image in an unsupported format."""
    return UnsupportedFormat(f"{name} images are not read; convert it to JPEG, PNG or WebP")


def raw_by_name(suffix: str, image: object) -> bool:
    """Return whether a TIFF is a raw file by its name; its first full page may be a preview."""
    return suffix in RAW_SUFFIXES and isinstance(image, bytes) and image[:2] in {b"II", b"MM"}


def _brand(data: bytes) -> str | None:
    """Return the format named by a file's brands: the major one, or any compatible one."""
    end = min(int.from_bytes(data[:4], "big"), _FTYP_BYTES, len(data))
    brands = {data[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    return next((name for brand, name in _BRANDS.items() if brand in brands), None)


def _open_tiff(data: bytes) -> Image.Image:
    """Open the first page of a TIFF that is not a reduced copy of another.

    In raw files that are TIFFs the full image is in the camera's own encoding, and Pillow would
    take the small preview for the image.
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
    except SyntaxError as error:  # Pillow's error for an unknown layout or compression
        if "unknown" in str(error):
            raise _variant_not_read(f"this layout ({error})") from error
        if str(error).isdecimal():
            raise _variant_not_read(f"compression {error}") from error
        raise
    if image.info.get("compression") == "webp":  # libtiff in Pillow's wheels lacks it
        raise _variant_not_read("compression webp")
    return image


def _variant_not_read(variant: str) -> UnsupportedFormat:
    return UnsupportedFormat(
        f"TIFFs of {variant} are not read; convert it to RGB or grey of 8 bits without compression"
    )
