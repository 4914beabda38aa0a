"""Formats are recognised by their bytes; files with all their pixels are read."""

from __future__ import annotations

import io
import re
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clipvec.data import Undecodable, decode_image, is_light
from clipvec.data.formats import raw_by_name
from tests.data.making import dng

LIMIT = 100_000_000
TURNED = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'


def photo(width: int = 96, height: int = 64) -> Image.Image:
    noise = np.random.default_rng(3).integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def save(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(decode_image(data, 224, LIMIT).image)


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(Undecodable) as caught:
        decode_image(data, 224, LIMIT)
    return type(caught.value).__name__, str(caught.value)


def chunk(kind: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + checksum


TEXT = bytes(range(1, 128)) * 20_000  # 2.5 MB
METADATA = {
    "zTXt": chunk(b"zTXt", b"workflow\0\0" + zlib.compress(TEXT)),
    "iTXt": chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(TEXT)),
    "profile": chunk(b"iCCP", b"big\0\0" + zlib.compress(TEXT)),
    "65 texts": chunk(b"tEXt", b"workflow\0" + b"x" * 2**20) * 65,
    "checksum": chunk(b"tEXt", b"comment\0words")[:-1] + b"?",
    "orientation": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(TEXT)),
}


@pytest.mark.parametrize("extra", METADATA.values(), ids=list(METADATA))
@pytest.mark.parametrize("behind", [False, True], ids=["before", "behind"])
def test_large_metadata_of_a_png_does_not_matter(extra: bytes, behind: bool) -> None:
    plain = save(photo(), "PNG")
    at = len(plain) - 12 if behind else 33
    assert (pixels(plain[:at] + extra + plain[at:]) == np.asarray(photo())).all()


@pytest.mark.parametrize("packed", [False, True])
def test_orientation_beside_large_metadata_is_applied(packed: bool) -> None:
    plain = save(photo(), "PNG")
    words = b"\1\0\0\0" + zlib.compress(TURNED) if packed else b"\0\0\0\0" + TURNED
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0" + words)
    upright = np.rot90(np.asarray(photo()), -1)
    for extra in (xmp, xmp + METADATA["zTXt"]):
        decoded = decode_image(plain[:33] + extra + plain[33:], 224, LIMIT)
        assert (np.asarray(decoded.image) == upright).all()
        assert (decoded.width, decoded.height) == (64, 96)


def test_a_png_truncated_after_large_metadata_is_refused() -> None:
    plain = save(photo(), "PNG")
    whole = plain[:33] + METADATA["zTXt"] + plain[33:]
    assert refusal(whole[:-2000])[0] == "DamagedImage"


@pytest.mark.parametrize("brand", [b"mif1", b"miaf", b"msf1"])
def test_an_avif_is_recognised_by_any_of_its_brands(brand: bytes) -> None:
    data = bytearray(save(photo(), "AVIF"))
    expected = pixels(bytes(data))
    data[8:12] = brand
    assert (pixels(bytes(data)) == expected).all()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"8BPS\0\1", "PSD"),
    ],
)
def test_an_unsupported_format_is_named(data: bytes, name: str) -> None:
    message = f"{name} images are not read; convert it to JPEG, PNG or WebP"
    assert refusal(data + bytes(100)) == ("UnsupportedFormat", message)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1hevc", "HEIC"),
        (b"\0\0\0\x14ftypmif1\0\0\0\0mif1", "HEIF"),
    ],
)
def test_what_reads_heic_is_named(data: bytes, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    message = f"{name} images need pip install 'clipvec[heic]'"
    assert refusal(data + bytes(100)) == ("UnsupportedFormat", message)


@pytest.mark.parametrize("mark", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_what_reads_jpeg_xl_is_named(mark: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_light(mark + bytes(100))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    message = "JPEG XL images need pip install 'clipvec[jxl]'"
    assert refusal(mark + bytes(100)) == ("UnsupportedFormat", message)


RAW = {
    "raw (CR3)": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "raw (CR2)": b"II*\0\x10\0\0\0CR\2\0",
    "raw (RAF)": b"FUJIFILMCCD-RAW 0201",
    "raw (ORF)": b"IIRO\x08\0\0\0",
    "raw (DNG)": dng(save(photo(), "JPEG"), (96, 64)),
}


@pytest.mark.parametrize("name", RAW)
def test_what_reads_raw_files_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_light(RAW[name]), "LibRaw ends no process but that of the decoder"
    monkeypatch.setitem(sys.modules, "rawpy", None)
    message = f"{name} images need pip install 'clipvec[raw]'"
    assert refusal(RAW[name] + bytes(100)) == ("UnsupportedFormat", message)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_preview_of_a_raw_file_is_read(orientation: int) -> None:
    pytest.importorskip("rawpy", reason="clipvec[raw] is not installed")
    preview = save(photo(), "JPEG", quality=95)
    decoded = decode_image(dng(preview, (96, 64), orientation), 224, LIMIT)
    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    assert (np.asarray(decoded.image) == np.rot90(pixels(preview), turns)).all()
    assert (decoded.width, decoded.height) == ((96, 64) if turns % 2 == 0 else (64, 96))
    plain = decode_image(dng(photo().tobytes(), (96, 64), orientation), 224, LIMIT)
    assert (np.asarray(plain.image) == np.rot90(np.asarray(photo()), turns)).all()
    with pytest.raises(Undecodable, match="is 6144 pixels, more than max_pixels=6143"):
        decode_image(dng(preview, (96, 64)), 224, 6143)


def test_raw_files_that_cannot_be_read() -> None:
    pytest.importorskip("rawpy", reason="clipvec[raw] is not installed")
    whole = dng(save(photo(), "JPEG"), (96, 64))
    assert refusal(whole[:300])[0] in {"DamagedImage", "UnsupportedFormat"}
    kind, message = refusal(RAW["raw (RAF)"] + bytes(1000))
    assert kind == "UnsupportedFormat"
    said = r"raw \(RAF\): it is damaged, or of a camera that LibRaw \d+\.\d+\.\d+ does not know; "
    assert re.fullmatch(f"{said}convert it to JPEG, PNG or WebP", message)


@pytest.mark.parametrize("data", [b"II*\0\0\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0"])
def test_a_tiff_without_a_page(data: bytes) -> None:
    assert refusal(data)[0] == "DamagedImage"
    assert raw_by_name("dng", data)


def test_damaged_directories_cost_no_warnings() -> None:
    entry = struct.pack("<HHII", 700, 7, 2**31, 2**30)  # far behind the end
    data = b"II*\0\x08\0\0\0" + struct.pack("<H", 300) + 300 * entry + bytes(4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert raw_by_name("dng", data)


def test_heic() -> None:
    heif = pytest.importorskip("pillow_heif", reason="clipvec[heic] is not installed")
    buffer = io.BytesIO()
    heif.from_pillow(photo()).save(buffer, quality=-1, chroma=444)
    data = buffer.getvalue()
    near = np.abs(pixels(data).astype(int) - np.asarray(photo())).mean()
    assert near < 2
    assert not is_light(data)
    assert refusal(data[:200])[0] == "DamagedImage"


def test_a_video_is_not_an_image() -> None:
    assert refusal(b"\0\0\0\x18ftypisom\0\0\2\0isommp41" + bytes(99))[0] == "NotAnImage"


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(96, 64), (1600, 1200)], ids=["whole", "scaled"])
def test_a_jpeg_that_lacks_only_its_end_marker_is_read(
    progressive: bool, size: tuple[int, int]
) -> None:
    data = save(photo(*size), "JPEG", quality=95, progressive=progressive)
    expected = pixels(data)
    for cut in (1, 2):
        assert (pixels(data[:-cut]) == expected).all()
    for cut in (20, 400):
        assert refusal(data[:-cut])[1].startswith("the image is damaged: image file is truncated")


def test_the_full_page_of_a_tiff_is_the_image() -> None:
    preview, full = photo().resize((24, 16)), photo()
    full.encoderinfo = {"tiffinfo": {254: 0}}
    data = save(preview, "TIFF", save_all=True, append_images=[full], tiffinfo={254: 1})
    pages = Image.open(io.BytesIO(data))
    assert (pages.n_frames, pages.tag_v2[254]) == (2, 1)  # type: ignore[attr-defined]
    assert (pixels(data) == np.asarray(full)).all()
    previews = save(preview, "TIFF", tiffinfo={254: 1})
    assert refusal(previews)[1].startswith("raw (a TIFF of reduced pages alone)")


@pytest.mark.parametrize(
    ("tag", "value", "variant"),
    [
        (277, 5, "this layout (unknown data organization)"),  # SamplesPerPixel
        (262, 99, "this layout (unknown pixel mode)"),  # PhotometricInterpretation
        (259, 50001, "compression webp"),
        (259, 34887, "compression 34887"),  # LERC
    ],
)
def test_an_unsupported_tiff_is_not_called_damaged(tag: int, value: int, variant: str) -> None:
    data = bytearray(save(Image.new("CMYK", (9, 9)), "TIFF"))
    (tags,) = struct.unpack_from("<I", data, 4)
    at = next(
        at for at in range(tags + 2, len(data), 12) if data[at : at + 2] == struct.pack("<H", tag)
    )
    struct.pack_into("<H", data, at + 8, value)
    assert refusal(bytes(data)) == (
        "UnsupportedFormat",
        f"TIFFs of {variant} are not read; convert it to RGB or grey of 8 bits without compression",
    )


def test_the_size_of_a_tiff_rotated_by_its_xmp() -> None:
    decoded = decode_image(save(photo(), "TIFF", tiffinfo={700: TURNED}), 224, LIMIT)
    assert (np.asarray(decoded.image) == np.rot90(np.asarray(photo()), -1)).all()
    assert (decoded.width, decoded.height) == (64, 96)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_levels_that_use_only_some_of_sixteen_bits(kind: str, bits: int) -> None:
    greys = np.arange(256, dtype=np.uint16).reshape(16, 16)
    data = save(Image.fromarray(greys << (bits - 8)), kind)
    assert (pixels(data)[..., 0] == greys).all()


def test_a_tiff_with_a_maximum_sample_value() -> None:
    greys = np.full((4, 4), 512, dtype=np.uint16)
    said = save(Image.fromarray(greys), "TIFF", tiffinfo={281: 4095})
    assert (pixels(said) == 32).all()
    assert (pixels(save(Image.fromarray(greys), "TIFF")) == 128).all()
