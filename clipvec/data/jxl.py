"""JPEG XL images: what their header says, their pixels by libjxl, and their Exif.

libjxl comes with imagecodecs, which tells nothing of an image but its samples: the size is needed
before they are decoded, and what they mean after. Both stand at the start of the codestream, see
ISO/IEC 18181-1, annex D.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Decode = Callable[..., NDArray[Any]]
    """``imagecodecs.jpegxl_decode``."""

CODESTREAM, CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL "
"""How a file begins: a bare codestream, or boxes around it."""
_BOXES = 1000
"""Most boxes that are looked at."""
_EXIF_BYTES = 2**20
_HEADER_BYTES = 2**16
_STRIPE = 64
"""Rows of which samples are kept as float32 at a time."""
_RATIOS = ((1, 1), (6, 5), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_ALPHA, _SPOT_COLOUR, _BLACK, _CFA = 0, 2, 4, 5
_GREY, _XYB = 1, 2
_CUSTOM, _LINEAR, _GAMMA_1 = 2, 8, 10**7

# Each number has two bits that choose what it is: an offset, and the bits that are added to it.
_Choices = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]
_ENUM: _Choices = ((0, 0), (1, 0), (2, 4), (18, 6))
_LENGTH: _Choices = ((1, 9), (1, 13), (1, 18), (1, 30))
_COORDINATE: _Choices = ((0, 19), (2**19, 19), (2**20, 20), (2**21, 21))


@dataclass(frozen=True, slots=True)
class Header:
    """What a codestream says of its samples."""

    width: int
    """Pixels, upright."""
    height: int
    bits: int
    """Of a sample."""
    grey: bool
    extras: tuple[int, ...]
    """Types of the channels beside grey or the three of colour."""
    premultiplied: bool
    """Whether colours are multiplied by alpha."""
    linear: bool
    """Whether the samples that libjxl gives are in proportion to light."""

    @property
    def mode(self) -> str:
        """Pillow's, of 8 bits."""
        return ("L" if self.grey else "RGB") + ("A" if _ALPHA in self.extras else "")

    @property
    def is_cmyk(self) -> bool:
        """Whether the colours are inks, of which black is a channel of its own."""
        return _BLACK in self.extras


def read_header(data: bytes) -> Header:
    """Read the header of a file.

    Raises:
        EOFError: it is cut off, or there is none.
    """
    bits = _Bits(_codestream(data))
    width, height = bits.size()
    if bits.read(1):  # all as it is by default
        return Header(width, height, 8, False, (), False, False)
    orientation = 1
    if bits.read(1):
        orientation = 1 + bits.read(3)
        bits.skip_intrinsic_size_preview_and_animation()
    depth = bits.depth()
    bits.read(1)  # whether 16 bits are enough to decode it
    channels = [bits.channel() for _ in range(bits.number((0, 0), (1, 0), (2, 4), (1, 12)))]
    xyb = bits.read(1) == 1
    grey, linear, profile = bits.colours()
    return Header(
        *((height, width) if orientation > 4 else (width, height)),
        bits=depth,
        grey=grey,
        extras=tuple(kind for kind, _ in channels),
        premultiplied=any(multiplied for _, multiplied in channels),
        # of XYB with an ICC profile libjxl gives linear sRGB: it has nothing to apply a profile
        linear=xyb if profile else linear,
    )


def exif(data: bytes) -> bytes:
    """Return the Exif of a file; empty: none that can be read."""
    for kind, content in _boxes(data):
        if kind == b"Exif":
            return bytes(content[:_EXIF_BYTES])
        if kind == b"brob" and bytes(content[:4]) == b"Exif":
            try:
                from imagecodecs import brotli_decode

                return bytes(brotli_decode(bytes(content[4:]), out=_EXIF_BYTES))
            except (ImportError, RuntimeError):  # damaged, or too large to be Exif
                return b""
    return b""


class JxlImage(Image.Image):
    """An image of 8 bits, upright, whose pixels are decoded when they are loaded."""

    def __init__(self, data: bytes, header: Header, decode: Decode) -> None:
        super().__init__()
        self._data, self._header, self._decode = data, header, decode
        self._mode, self._size = header.mode, (header.width, header.height)

    def load(self) -> Any:
        """Decode the first frame.

        Raises:
            OSError: the file is cut off.
            imagecodecs.JpegxlError: it is damaged.
        """
        if self._data:
            try:
                samples = self._decode(self._data, 0, numthreads=1)
            except RuntimeError as error:
                if "NEED_MORE_INPUT" in str(error):
                    raise OSError("image file is truncated") from error
                raise
            if self.mode == "L" and samples.ndim == 3:  # beside others that are not alpha
                samples = samples[0]
            self.im = Image.fromarray(_to_8_bits(samples, self._header)).im
            self._data = b""
        return super().load()


def _to_8_bits(samples: NDArray[Any], header: Header) -> NDArray[np.uint8]:
    """Return samples of any type as they are shown: 0 to 255, and not linear."""
    whole = samples.dtype.kind == "u"
    bits = header.bits
    if whole and bits == 16 and header.grey:
        bits = bits_used(int(samples.max()))
    if whole and bits >= 8 and not header.linear and not header.premultiplied:
        np.right_shift(samples, bits - 8, out=samples)
        eight: NDArray[np.uint8] = samples.astype(np.uint8, copy=False)
        return eight
    shown = np.empty(samples.shape, np.uint8)
    for top in range(0, len(samples), _STRIPE):
        part = samples[top : top + _STRIPE].astype(np.float32)
        if whole:
            part /= 2**bits - 1
        part = np.nan_to_num(part, copy=False).clip(0, 1)
        colours = part[..., :-1] if _ALPHA in header.extras else part
        if header.premultiplied:
            colours /= np.maximum(part[..., -1:], 1e-6)
        if header.linear:
            colours[...] = _srgb(colours)
        shown[top : top + _STRIPE] = np.rint(part.clip(0, 1) * 255)
    return shown


def bits_used(highest: int) -> int:
    """Return the bits of the smallest range that holds a sample, of those that cameras fill."""
    return next(bits for bits in (8, 10, 12, 14, 16) if highest < 2**bits or bits == 16)


def _srgb(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return linear samples as sRGB has them, see IEC 61966-2-1."""
    curved = 1.055 * light.clip(0.0031308, 1) ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, curved)


def _codestream(data: bytes) -> memoryview:
    """Return the beginning of the codestream, of which a container may have several pieces.

    Raises:
        EOFError: there is none.
    """
    if data.startswith(CODESTREAM):
        return memoryview(data)
    pieces = []
    for kind, content in _boxes(data):
        if kind == b"jxlc":
            return content
        if kind == b"jxlp":  # begins with its number
            pieces.append(bytes(content[4 : 4 + _HEADER_BYTES]))
    if not pieces:
        raise EOFError("it has no codestream")
    return memoryview(b"".join(pieces))


def _boxes(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    return islice(_all_boxes(memoryview(data)), _BOXES)


def _all_boxes(data: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the type and the content of each box of a container."""
    while len(data) >= 8:
        size, kind, head = int.from_bytes(data[:4]), bytes(data[4:8]), 8
        if size == 1:
            size, head = int.from_bytes(data[8:16]), 16
        elif size == 0:
            size = len(data)
        if size < head:
            return
        yield kind, data[head:size]
        data = data[size:]


class _Bits:
    """Reads the header of a codestream bit by bit, the lowest of each byte first.

    Its methods raise EOFError where it is cut off.
    """

    def __init__(self, codestream: memoryview) -> None:
        self._data, self._place = codestream, 8 * len(CODESTREAM)

    def read(self, count: int) -> int:
        start, self._place = self._place, self._place + count
        if self._place > 8 * len(self._data):
            raise EOFError("its header is cut off")
        word = int.from_bytes(self._data[start // 8 : -(-self._place // 8)], "little")
        return word >> start % 8 & ((1 << count) - 1)

    def number(self, *choices: *_Choices) -> int:
        offset, bits = choices[self.read(2)]
        return offset + self.read(bits)

    def size(self) -> tuple[int, int]:
        """Read a width and a height."""
        small = self.read(1)

        def length() -> int:
            return 8 * (1 + self.read(5)) if small else self.number(*_LENGTH)

        height = length()
        return self._width(height, length), height

    def _width(self, height: int, length: Callable[[], int]) -> int:
        ratio = self.read(3)
        if not ratio:
            return length()
        wide, high = _RATIOS[ratio - 1]
        return height * wide // high

    def skip_intrinsic_size_preview_and_animation(self) -> None:
        if self.read(1):
            self.size()
        if self.read(1):
            self._skip_preview()
        if self.read(1):
            self.number((100, 0), (1000, 0), (1, 10), (1, 30))  # ticks per second
            self.number((1, 0), (1001, 0), (1, 8), (1, 10))
            self.number((0, 0), (0, 3), (0, 16), (0, 32))  # loops
            self.read(1)

    def _skip_preview(self) -> None:
        eighths = self.read(1)

        def length() -> int:
            if eighths:
                return self.number((16, 0), (32, 0), (1, 5), (33, 9))
            return self.number((1, 6), (65, 8), (321, 10), (1345, 12))

        self._width(length(), length)

    def depth(self) -> int:
        """Read the bits of a sample."""
        if not self.read(1):
            return self.number((8, 0), (10, 0), (12, 0), (1, 6))
        bits = self.number((32, 0), (16, 0), (24, 0), (1, 6))
        self.read(4)  # those of its exponent
        return bits

    def channel(self) -> tuple[int, bool]:
        """Read the type of an extra channel, and whether colours are multiplied by it."""
        if self.read(1):
            return _ALPHA, False
        kind = self.number(*_ENUM)
        self.depth()
        self.number((0, 0), (3, 0), (4, 0), (1, 3))  # how much smaller it is
        name = self.number((0, 0), (0, 4), (16, 5), (48, 10))
        self._place += 8 * name
        if kind == _SPOT_COLOUR:
            self.read(4 * 16)
        if kind == _CFA:
            self.number((1, 0), (0, 2), (3, 4), (19, 8))
        return kind, kind == _ALPHA and self.read(1) == 1

    def colours(self) -> tuple[bool, bool, bool]:
        """Read whether it is grey, whether it is linear, and whether an ICC profile says it."""
        if self.read(1):
            return False, False, False
        profile, space = self.read(1) == 1, self.number(*_ENUM)
        if profile or space == _XYB:
            return space == _GREY, False, profile
        if self.number(*_ENUM) == _CUSTOM:  # white point
            self._skip_points(1)
        if space != _GREY and self.number(*_ENUM) == _CUSTOM:  # primaries
            self._skip_points(3)
        if self.read(1):
            return space == _GREY, self.read(24) == _GAMMA_1, False
        return space == _GREY, self.number(*_ENUM) == _LINEAR, False

    def _skip_points(self, count: int) -> None:
        for _ in range(2 * count):
            self.number(*_COORDINATE)
