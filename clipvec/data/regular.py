"""Files of the user: texts, and how much of a file is read at most."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import IO

import numpy as np

from clipvec.errors import ConfigError
from clipvec.files import open_regular
from clipvec.locations import expanded

_TRIES = 3
"""Times that a file is read that changes meanwhile."""


class TooManyBytes(OSError):
    """A file larger than ``dataset.max_file_bytes``."""

    @classmethod
    def of(cls, size: int | None, most: int) -> TooManyBytes:
        """Return the error of a file of ``size`` bytes, where ``most`` are allowed."""
        given = "more" if size is None else f"{size:,} bytes, more"
        return cls(errno.EFBIG, f"it has {given} than dataset.max_file_bytes={most}")


def open_text(path: str | Path, encoding: str) -> IO[str]:
    """Open a local text for reading that a user names: a file, or a pipe such as ``<(command)``.

    Raises:
        NotAFile: it is a device or a socket.
        OSError: it cannot be opened.
    """
    pipe = Path(path)
    return io.TextIOWrapper(pipe.open("rb") if pipe.is_fifo() else open_regular(path), encoding)


def drawn_lines(option: str, file: str, count: int, seed: int) -> list[str]:
    """Return at most ``count`` lines of a text file, in random order: files are often sorted.

    They are those that are not blank, each once, without blanks around them. Of a smaller count are
    the first of them.

    Args:
        option: that named the file, for messages.
        file: as it was given.
        count: of lines.
        seed: of their order.

    Raises:
        ConfigError: it cannot be read, or holds none.
    """
    try:
        with open_text(expanded(file), "utf-8-sig") as text:
            lines = text.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{option}={file}: {error}; give a UTF-8 text file") from error
    found = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not found:
        raise ConfigError(f"{option}={file} has no lines; write one query on each")
    order = np.random.default_rng(seed).permutation(len(found))
    return [found[place] for place in order[:count]]


class Unsteady(OSError):
    """A file that another process writes to."""


def read_regular(path: str, most: int) -> bytes:
    """Return the content of a local file as it was at one moment.

    Raises:
        NotAFile: it is none.
        TooManyBytes: it has more than ``most`` bytes.
        Unsteady: it changed each time that it was read.
        OSError: it cannot be read.
    """
    for _ in range(_TRIES):
        with open_regular(path) as stream:
            before = os.fstat(stream.fileno())
            if before.st_size > most:
                raise TooManyBytes.of(before.st_size, most)
            content = stream.read(before.st_size)
            after = os.fstat(stream.fileno())
        same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
        if same and len(content) == after.st_size:
            return content
    raise Unsteady(errno.EAGAIN, "it changed while it was read")
