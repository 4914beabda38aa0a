"""Image formats, recognised by a file's first bytes: its name or its brand may be wrong."""

from __future__ import annotations

import struct
from io import BytesIO
from itertools import islice
from posixpath import splitext

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

from clipvec.config import HEIC, JXL, RAW, READERS
from clipvec.data import jxl, tiff

SUFFIXES = frozenset(
    {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "avif", "gif", "bmp", "tif", "tiff"}
)
"""File name endings of images that are always read, in lower case."""
RARELY_READ = frozenset({"jp2", "psd"}).union(*(reader.suffixes for reader in READERS))
"""Endings of images that are rarely readable: listed like the others, then judged by content."""
_SECOND = HEIC.suffixes | JXL.suffixes
PREFERRED = (SUFFIXES, _SECOND, RARELY_READ - _SECOND)
"""Groups of endings: of copies of one image that of the first group is read."""
_RAW_TIFFS = RAW.suffixes - {"cr3", "raf"}
"""Endings of raw files in TIFF format, whose content may not identify them as raw."""

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
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "PSD"),
)
_RAW_MARKS = (
    (b"IIU\0", "raw (RW2)"),
    (b"IIRO", "raw (ORF)"),
    (b"IIRS", "raw (ORF)"),
    (b"MMOR", "raw (ORF)"),
    (b"FUJIFILMCCD-RAW", "raw (RAF)"),
)
_JXL_MARKS = ((jxl.CODESTREAM, JXL.kind), (jxl.CONTAINER, JXL.kind))
_MARKS = (*_RAW_MARKS, *_JXL_MARKS, *((mark, name) for mark, name, _ in _OPENERS))
"""The signatures of all formats that are read, and their names."""
_CR3 = "raw (CR3)"
_BRANDS = {
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"), "HEIC"),
    **dict.fromkeys((b"mif1", b"msf1"), "HEIF"),
    b"crx ": _CR3,
}
"""Brands of ISO base media files; the first match, in this order, names the format."""
_MEDIA_TYPES = {
    name: f"image/{name.lower()}" for name in ("JPEG", "PNG", "WebP", "AVIF", "GIF", "BMP")
}
FORMATS_READ = "JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF, HEIC, JPEG XL or raw"
"""In words; of a file in one that needs a package which is not installed, another line says so."""
_FTYP_BYTES = 512
_DNG_VERSION = 50706
_SUBFILE_TYPE = 254
_REDUCED = 1
_TELLING = frozenset({_DNG_VERSION, _SUBFILE_TYPE})
_PAGES = 64
"""Pages of a TIFF that are searched for the full image."""
_TURNED = {3: 3, 5: 8, 6: 6}
"""EXIF orientation by LibRaw's number of a turn."""


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

    Of a raw file the largest preview is opened.

    Raises:
        NotAnImage: not in any known image format.
        UnsupportedFormat: in another format, in a variant that Pillow does not read, or a raw file
            without a preview.
    """
    if raw := raw_by_content(data):
        return _open_raw(data, raw)
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
    if known_by_mark(data) == JXL.kind:
        return _open_jxl(data)
    for mark, name in _NOT_READ:
        if data.startswith(mark):
            raise not_read(name)
    raise NotAnImage(f"not a supported image format ({FORMATS_READ})")


def endings_read() -> str:
    """Return the endings of names of such files, in words."""
    optional = (reader.suffixes for reader in READERS if reader.installed)
    return ", ".join(sorted(SUFFIXES.union(*optional)))


def _open_heic(data: bytes, name: str) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise UnsupportedFormat(f"{name} images need {HEIC.install_command}") from None
    image: Image.Image = HeifImageFile(BytesIO(data))
    return image


def _open_jxl(data: bytes) -> Image.Image:
    try:
        from imagecodecs import jpegxl_decode
    except ImportError:
        raise UnsupportedFormat(f"{JXL.kind} images need {JXL.install_command}") from None
    header = jxl.read_header(data)
    if header.is_cmyk:
        raise not_read(f"{JXL.kind} (CMYK)")
    return jxl.JxlImage(data, header, jpegxl_decode)


def _open_raw(data: bytes, name: str) -> Image.Image:
    """Open the largest preview of a raw file; LibRaw finds it, and has it say how it is turned."""
    try:
        import rawpy
    except ImportError:
        raise UnsupportedFormat(f"{name} images need {RAW.install_command}") from None
    try:
        with rawpy.imread(BytesIO(data)) as raw:
            preview, turn = raw.extract_thumb(), raw.sizes.flip
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
        raise UnsupportedFormat(
            f"{name} images are read by the preview in them, and this one has none that can be "
            "read; convert it to JPEG, PNG or WebP"
        ) from None
    except rawpy.LibRawFileUnsupportedError:
        version = ".".join(map(str, rawpy.libraw_version))
        raise UnsupportedFormat(
            f"{name}: it is damaged, or of a camera that LibRaw {version} does not know; convert "
            "it to JPEG, PNG or WebP"
        ) from None
    if preview.format is rawpy.ThumbFormat.JPEG:
        return JpegImagePlugin.jpeg_factory(BytesIO(preview.data))
    image = Image.fromarray(preview.data)
    image.getexif()[ExifTags.Base.Orientation] = _TURNED.get(turn, 1)
    return image


def known_by_mark(data: bytes) -> str | None:
    """Return the format that the first bytes of a file name, of those that are read."""
    if data[4:8] == b"ftyp":
        return "AVIF, HEIC or raw"
    return next((name for mark, name in _MARKS if data.startswith(mark)), None)


def media_type(head: bytes) -> str | None:
    """Return the media type of an image that every browser shows, by its first bytes."""
    if head.startswith(b"RIFF") and head[8:12] != b"WEBP":
        return None
    name = _brand(head) if head[4:8] == b"ftyp" else known_by_mark(head)
    return _MEDIA_TYPES.get(name or "")


def not_read(name: str) -> UnsupportedFormat:
    """Return the error for an image in an unsupported format."""
    return UnsupportedFormat(f"{name} images are not read; convert it to JPEG, PNG or WebP")


def suffix_of(name: str) -> str:
    """Return the ending of a file name, in lower case and without its dot."""
    return splitext(name)[1][1:].lower()


def raw_by_name(ending: str, image: object) -> bool:
    """Return whether a TIFF is a raw file by its name alone; its first page may be a preview."""
    return (
        ending in _RAW_TIFFS
        and isinstance(image, bytes)
        and image[:2] in {b"II", b"MM"}
        and raw_by_content(image) is None
    )


def raw_by_content(data: bytes) -> str | None:
    """Return which kind of raw file it is; None: none that its content tells.

    In raw files that are TIFFs the full image is in the camera's own encoding, and Pillow would
    take a small preview for the image.
    """
    if data[4:8] == b"ftyp":
        return _CR3 if _brand(data) == _CR3 else None
    if known_by_mark(data) == "TIFF":
        return _raw_tiff(data)
    return next((name for mark, name in _RAW_MARKS if data.startswith(mark)), None)


def _raw_tiff(data: bytes) -> str | None:
    if data[8:10] == b"CR":
        return "raw (CR2)"
    if tiff.is_big(data):  # which no camera writes
        return None
    try:
        pages = [
            {entry.tag: entry for entry in tiff.entries(data, start) if entry.tag in _TELLING}
            for start in islice(tiff.directories(data), _PAGES)
        ]
    except struct.error:  # damaged, which is said when it is opened
        return None
    if any(_DNG_VERSION in page for page in pages[:1]):
        return "raw (DNG)"
    reduced = pages and all(_is_reduced(page.get(_SUBFILE_TYPE), data) for page in pages)
    return "raw (a TIFF of reduced pages alone)" if reduced else None


def _is_reduced(subfile_type: tiff.Entry | None, data: bytes) -> bool:
    if subfile_type is None:
        return False
    (number,) = struct.unpack(f"{tiff.byte_order(data)}I", subfile_type.value)
    return bool(number & _REDUCED)


def _brand(data: bytes) -> str | None:
    """Return the format named by a file's brands: the major one, or any compatible one."""
    end = min(int.from_bytes(data[:4], "big"), _FTYP_BYTES, len(data))
    brands = {data[at : at + 4] for at in (8, *range(16, end - 3, 4))}
    return next((name for brand, name in _BRANDS.items() if brand in brands), None)


def _open_tiff(data: bytes) -> Image.Image:
    """Open the first page of a TIFF that is not a reduced copy of another."""
    try:
        image = TiffImagePlugin.TiffImageFile(BytesIO(data))
        for page in range(1, _PAGES):
            if not image.tag_v2.get(_SUBFILE_TYPE, 0) & _REDUCED:
                break
            image.seek(page)
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
