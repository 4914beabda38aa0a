"""Records put in order by a number, whatever memory there is: in ranges on disk, then each."""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

_BYTES = 2**24
"""Of a bucket, as long as there are not too many."""
MOST = 256
"""Buckets, each of which is an open file."""


class Buckets:
    """Files of a folder of their own, each with the records of a range of numbers."""

    def __init__(
        self, folder: Path, dtype: np.dtype[np.void], records: int, span: int, most: int = MOST
    ) -> None:
        """Prepare for records.

        Args:
            folder: that holds them meanwhile; what is in it goes.
            dtype: of a record.
            records: how many there will be.
            span: their numbers are from 0 up to below this.
            most: buckets.
        """
        self._folder, self._dtype = folder, dtype
        wanted = min(most, span, records * dtype.itemsize // _BYTES + 1)
        self._span, self._width = span, -(-span // wanted)
        self._count = -(-span // self._width)

    def __enter__(self) -> Self:
        """Make the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        self._files = [self._folder / str(number) for number in range(self._count)]
        self._streams = [file.open("wb", buffering=2**16) for file in self._files]
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        for stream in self._streams:
            with contextlib.suppress(OSError):  # the disk is full, which was said
                stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, numbers: np.ndarray, records: np.ndarray) -> None:
        """Add records, ``dtype`` [N], by their ``numbers``, unsigned [N].

        Raises:
            OSError: they cannot be written.
        """
        if self._count == 1:
            self._streams[0].write(records.tobytes())
            return
        at = numbers // numbers.dtype.type(self._width)
        order = np.argsort(at, kind="stable")
        ends = np.cumsum(np.bincount(at.astype(np.int64), minlength=self._count))
        for number, rows in enumerate(np.split(order, ends[:-1])):
            if len(rows):
                self._streams[number].write(records[rows].tobytes())

    def __iter__(self) -> Iterator[tuple[range, np.ndarray]]:
        """Yield the numbers of a bucket, ascending, and its records in the order of adding.

        Raises:
            OSError: they cannot be written.
        """
        for number, (file, stream) in enumerate(zip(self._files, self._streams, strict=True)):
            stream.close()
            first = number * self._width
            last = min(first + self._width, self._span)
            yield range(first, last), np.fromfile(file, self._dtype)
            file.unlink()
