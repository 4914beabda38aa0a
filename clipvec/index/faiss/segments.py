"""Encoded part files, kept until the index that needs them is published.

A part is one file: a line of JSON that says what it is of, then a list and a code for each row.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from clipvec.files import write_atomically
from clipvec.index.faiss.manifest import HeldPart

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from clipvec.paths import FaissPaths

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Segment:
    """An encoded part file."""

    part: HeldPart
    path: Path
    offset: int
    """Of the first code, in bytes."""
    sha256: str
    """Of the codes."""

    def codes(self, dtype: np.dtype[np.void]) -> np.ndarray:
        """Return lists and codes of its rows, mapped, ``dtype`` [N]."""
        if not self.part.rows:
            return np.empty(0, dtype)
        return np.memmap(self.path, dtype, "r", self.offset, (self.part.rows,))


class Segments:
    """The encoded parts of an index that is being built."""

    def __init__(self, files: FaissPaths, training: str, dtype: np.dtype[np.void]) -> None:
        """Use the folder of an index.

        Args:
            files: of the index.
            training: SHA-256 of the index file without rows, by which codes can be read.
            dtype: of one row.
        """
        self._files, self._training, self._dtype = files, training, dtype

    def write(self, part: HeldPart, codes: np.ndarray) -> Segment:
        """Write the codes of a part, atomically.

        Raises:
            OSError: they cannot be written.
        """
        data, path = codes.tobytes(), self._files.codes(part.file)
        digest = hashlib.sha256(data).hexdigest()
        about = {**asdict(part), "training": self._training, "codes": digest}
        head = json.dumps(about).encode() + b"\n"
        write_atomically(path, head + data)
        return Segment(part, path, len(head), digest)

    def find(self, parts: Iterable[HeldPart]) -> dict[str, Segment]:
        """Return the segments of ``parts`` that are whole, and remove all others."""
        wanted, found, left = set(parts), {}, 0
        for path in self._files.all_codes():
            segment = self._read(path)
            if segment is not None and segment.part in wanted:
                found[segment.part.file] = segment
            else:
                path.unlink()
                left += 1
        if left:
            log.info("%d encoded parts do not fit, and are encoded again", left)
        return found

    def _read(self, path: Path) -> Segment | None:
        """Return a segment of this training, if every byte is as it was written."""
        try:
            with path.open("rb") as stream:
                head = stream.readline()
                about = json.loads(head)
                training, digest = about.pop("training"), about.pop("codes")
                part = HeldPart(**about)
                size = path.stat().st_size - len(head)
                seen = hashlib.file_digest(stream, "sha256").hexdigest()
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None
        whole = size == part.rows * self._dtype.itemsize and seen == digest
        if not whole or training != self._training:
            return None
        return Segment(part, path, len(head), digest)
