"""The samples of one tar in the WebDataset layout: consecutive members that share a key.

A seekable tar is traversed by its headers; a member's data is read only when its record is
requested. A compressed tar, or one on a server without range requests, is read as a stream.
"""

from __future__ import annotations

import lzma
import os
import re
import tarfile
import zlib
from dataclasses import dataclass
from tarfile import EmptyHeaderError, EOFHeaderError  # type: ignore[attr-defined] # not in typeshed
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from clipvec.data import files
from clipvec.data.files import Source, dataset_errors, first_line, to_utf8
from clipvec.data.formats import RARELY_READ, SUFFIXES
from clipvec.data.record import Reject
from clipvec.data.regular import TooManyBytes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from clipvec.data.passed_over import PassedOver

    Members: TypeAlias = dict[str, "Member"]

CAPTIONS = ("txt", "caption")
"""Suffixes of caption members, in order of preference."""
_WANTED = SUFFIXES | RARELY_READ | {*CAPTIONS, "json"}
_APPLE = re.compile(r"(^|/)(\._|__MACOSX/)")
"""What macOS puts beside each file of an archive: ``train/._cat.jpg``."""
_KEYED = re.compile(r"(.*/|)[^.]+\.[^/]*")
"""Names that WebDataset finds a key and a suffix in."""
_META = re.compile(r"__[^/]*__(/|$)")
"""WebDataset's own members, which are not samples."""
_COMPRESSED = re.compile(r"\.(tar\.(gz|bz2|xz)|tgz|tbz2?|txz)$")
_STEM = re.compile(r"\.(tar(\.(gz|bz2|xz))?|tgz|tbz2?|txz)$")
_EXTENSIONS = {
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
}
_EXTENSION_BYTES = 2**20
_BUFFER = 2**20
"""Bytes per read of a stream."""
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)


class Member:
    """A member of a tar, which a call reads."""

    def __init__(self, tar: tarfile.TarFile, header: tarfile.TarInfo, most: int) -> None:
        self._tar, self._header, self._most = tar, header, most
        self._kept: bytes | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Where its bytes are in the tar, and how many."""
        return self._header.offset_data, self._header.size

    def keep(self) -> None:
        """Read it, once for all calls."""
        self._kept = self()

    def __call__(self) -> bytes:
        """Return its content.

        Raises:
            TooManyBytes: it is larger than is read.
        """
        if self._kept is not None:
            return self._kept
        if self._header.size > self._most:
            raise TooManyBytes.of(self._header.size, self._most)
        member = self._tar.extractfile(self._header)
        return b"" if member is None else member.read()


@dataclass(frozen=True, slots=True)
class Sample:
    """Members that share a key."""

    id: str
    uri: str
    members: Members
    """By suffix."""
    offset: int
    """Byte offset of its first header in the tar."""


def compressed(source: Source) -> bool:
    """Return whether a tar is compressed, judging by its name."""
    return _COMPRESSED.search(source.name) is not None


def is_tar(source: Source) -> bool:
    """Return whether a file is a tar, judging by its name."""
    return _STEM.search(source.name) is not None


def has_member(source: Source) -> bool:
    """Return whether a tar has anything to yield, even a reject, from its first headers alone."""
    with dataset_errors(source.url), files.open_file(source.path, ahead=False) as stream:
        try:
            tar = _open(stream, seekable=False)
            return any(header.isreg() for header in tar)
        except _DAMAGED:
            return True


def walk(
    source: Source, passed_over: PassedOver, most: int, at: int = 0, done: int = 0
) -> Iterator[Sample | Reject]:
    """Yield the samples of one tar, and a reject if it is damaged.

    Args:
        source: the tar.
        passed_over: takes the members that are no part of a sample.
        most: bytes of a member; reading a larger one raises `TooManyBytes`.
        at: the `Sample.offset` to start at, for a seekable tar.
        done: number of samples before it.

    Raises:
        DatasetError: it cannot be opened or read.
    """
    stem = _STEM.sub("", source.name)
    whole = source.url + "#" * ("#" in source.url)  # so that `file_of` gives the tar
    with dataset_errors(source.url), files.open_file(source.path) as stream:
        seekable = not compressed(source) and files.can_seek(stream)
        if seekable:
            stream.seek(at)
        try:
            tar = _open(stream, seekable)
        except _DAMAGED as error:
            reason = f"not a tar file, or compressed and not named .tar.gz: {first_line(error)}"
            yield Reject(stem, whole, reason, "NotATar")
            return
        try:
            for item in _samples(tar, stem, source.url, seekable, passed_over, most):
                done += isinstance(item, Sample)
                yield item
        except _DAMAGED as error:
            reason = f"the tar is truncated or damaged after {done} records: {first_line(error)}"
            yield Reject(stem, whole, reason, "TruncatedTar")


def _open(stream: IO[bytes], seekable: bool) -> Any:
    mode: Any = "r:" if seekable else "r|*"  # typeshed has an overload for each literal
    return tarfile.open(fileobj=stream, mode=mode, tarinfo=_Header, bufsize=_BUFFER)


class _Header(tarfile.TarInfo):
    """A tar header; only the end marker ends a tar, whereas tarfile also stops at damage."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tar)
        except EOFHeaderError:
            raise
        except tarfile.HeaderError as error:
            if tar.offset == 0 and isinstance(error, EmptyHeaderError):
                raise EOFHeaderError(str(error)) from error  # a file of zero bytes
            raise tarfile.ReadError(f"{error} at byte {tar.offset}") from error

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return a header; one whose extension would be read whole by tarfile is bounded."""
        header = super().frombuf(buf, encoding, errors)
        if header.type in _EXTENSIONS and header.size > _EXTENSION_BYTES:
            raise tarfile.HeaderError(f"an extended header of {header.size:,} bytes")
        return header


def _samples(
    tar: Any, stem: str, url: str, seekable: bool, passed_over: PassedOver, most: int
) -> Iterator[Sample | Reject]:
    """Group the members of a tar into samples; a member that repeats a name becomes a reject.

    A sample is complete once the next header has been read, so the last one before a damaged
    position is never yielded.
    """
    os.environ["WDS_SECURE"] = "1"  # makes webdataset refuse to unpickle or to run commands
    from webdataset.tariterators import group_by_keys

    name = ""
    repeated: list[str] = []

    def members() -> Iterator[dict[str, object]]:
        nonlocal name
        while (header := tar.next()) is not None:
            tar.members = []  # tarfile would keep every header of the tar in memory
            name = header.name.removeprefix("./")
            reason = _left_out(header, name)
            if reason:
                passed_over.add(reason, _uri(url, name))
            elif not header.isdir():
                member = Member(tar, header, most)
                wanted = name.rpartition(".")[2].lower() in _WANTED and header.size <= most
                if wanted and not seekable:
                    member.keep()  # a stream can be read only once
                # webdataset passes on the URL of a sample's first member
                yield {"fname": name, "data": member, "__url__": header.offset}

    def repeat(_: Exception) -> bool:
        repeated.append(to_utf8(name))
        return True

    for group in group_by_keys(members(), handler=repeat):
        key = to_utf8(group["__key__"])
        suffixes = {name: data for name, data in group.items() if not name.startswith("__")}
        yield Sample(f"{stem}/{key}", _uri(url, key), suffixes, group["__url__"])
        for again in repeated:
            reason = f"the tar has more than one member {again}; the first one is used"
            yield Reject(f"{stem}/{again}", _uri(url, again), reason, "DuplicateMember")
        repeated.clear()


def _left_out(header: tarfile.TarInfo, name: str) -> str:
    """Return why a member is no part of a sample, or an empty text."""
    if _APPLE.search(name):
        return "AppleDouble files of macOS"
    if _META.match(name):
        return "members of WebDataset's own"
    if header.issparse() or not (header.isreg() or header.isdir()):
        return "members that are no plain file"
    if header.isreg() and not _KEYED.fullmatch(name):
        return "members without a key and a suffix"
    return ""


def _uri(url: str, name: str) -> str:
    return f"{url}#{name.replace('#', '%23')}"  # `file_of` cuts at the last
