"""Local files that are regular ones, and how much of a file is read at most.

A link or a name may lead to a device, which never ends, or to a pipe, which waits for a writer.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import IO

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotAFile(OSError):
    """A pipe, a device or a socket, in place of a regular file."""


class TooManyBytes(OSError):
    """A file larger than ``dataset.max_file_bytes``."""

    @classmethod
    def of(cls, size: int | None, most: int) -> TooManyBytes:
        """Return the error of a file of ``size`` bytes, where ``most`` are allowed."""
        given = "more" if size is None else f"{size:,} bytes, more"
        return cls(errno.EFBIG, f"it has {given} than dataset.max_file_bytes={most}")


def open_regular(path: str) -> IO[bytes]:
    """Open a local file for reading.

    Raises:
        NotAFile: it is none.
        OSError: it cannot be opened.
    """
    return open(path, "rb", opener=_regular)


def read_regular(path: str, most: int) -> bytes:
    """Return the content of a local file.

    Raises:
        NotAFile: it is none.
        TooManyBytes: it has more than ``most`` bytes.
        OSError: it cannot be read.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > most:
            raise TooManyBytes.of(size, most)
        return stream.read(size)


def _regular(path: str, flags: int) -> int:
    # Without O_NONBLOCK a pipe is not opened before another process writes there.
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    kind = _KINDS.get(stat.S_IFMT(os.fstat(descriptor).st_mode))
    if kind is not None:
        os.close(descriptor)
        raise NotAFile(errno.EINVAL, f"it is {kind}, not a regular file", path)
    return descriptor
