"""The file that a row was made from, opened again for people to see.

Nothing is fetched: only files of this machine are opened, and members of tars that lie here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, TYPE_CHECKING

from clipvec.data.files import Source, dataset_errors, first_line
from clipvec.data.formats import media_type
from clipvec.data.passed_over import PassedOver
from clipvec.data.record import file_of
from clipvec.data.tar_samples import Sample, compressed, is_tar, walk
from clipvec.data.webdataset import choose_image
from clipvec.errors import DatasetError, printable
from clipvec.files import open_regular
from clipvec.locations import PACKAGE_SCHEME, package_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD, _PIECE = 512, 2**18
"""Bytes that tell a format, and of one read."""
_TARS = 4
"""Tars of which the places of all images are kept, some 250 bytes each."""


class NotShown(Exception):
    """An original that cannot be shown; the message is one line for whoever looks at the row."""


@dataclass(frozen=True, slots=True)
class Original:
    """An image file, open."""

    media_type: str | None
    """By its content: of an image that browsers show; None: of nothing that they do."""
    size: int
    """Bytes."""
    stream: IO[bytes]
    """At its first byte."""

    def pieces(self) -> Iterator[bytes]:
        """Yield its bytes, and close it."""
        left = self.size
        with self.stream:
            while left and (piece := self.stream.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece


def open_original(uri: str) -> Original:
    """Open the image at the `Record.uri` of a row.

    Raises:
        NotShown: it is on another machine, is gone, or is inside a file that is no plain tar.
    """
    if "://" in uri.removeprefix(PACKAGE_SCHEME):
        raise NotShown(f"the original is not on this machine: {uri}")
    path, inside = package_file(uri), ""
    if "#" in path and not os.path.lexists(path):
        path, inside = file_of(path), path.rpartition("#")[2]
    try:
        stream = open_regular(path)
    except FileNotFoundError as error:
        raise NotShown(f"the file is gone: {path}") from error
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        raise NotShown(f"the file cannot be opened: {path} ({first_line(error)})") from error
    try:
        status = os.fstat(stream.fileno())
        start, size = 0, status.st_size
        if inside:
            start, size = _place(path, inside, status)
        return _opened(stream, start, size)
    except BaseException:
        stream.close()
        raise


def _opened(stream: IO[bytes], start: int, size: int) -> Original:
    try:
        stream.seek(start)
        kind = media_type(stream.read(min(size, _HEAD)))
        stream.seek(start)
    except OSError as error:
        raise NotShown(f"the file cannot be read ({first_line(error)})") from error
    return Original(kind, size, stream)


def _place(path: str, inside: str, status: os.stat_result) -> tuple[int, int]:
    """Return where in a tar an image is, and its bytes."""
    source = Source(path, path, path.rpartition("/")[2], status.st_size)
    if not is_tar(source) or compressed(source):
        raise NotShown(f"the original is inside {path}, and only files and plain tars are opened")
    try:
        found = _places(source, status.st_mtime_ns).get(inside)
    except DatasetError as error:
        raise NotShown(str(error)) from error
    if found is None:
        raise NotShown(f"the image is gone: {path} has no {printable(inside)}")
    return found


@lru_cache(_TARS)
def _places(source: Source, changed: int) -> dict[str, tuple[int, int]]:
    """Return where the images of a tar are, by what follows the ``#`` of their URIs.

    Args:
        source: the tar.
        changed: when, in nanoseconds: another tar of that name is read anew.
    """
    found = {}
    with dataset_errors(source.url):
        for sample in walk(source, PassedOver(), 0):
            if isinstance(sample, Sample) and (name := choose_image(sample.members)[0]):
                found[sample.uri.rpartition("#")[2]] = sample.members[name].place
    return found
