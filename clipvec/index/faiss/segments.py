"""Encoded shards, kept until the index that needs them is published.

A shard is one file, or several where its codes are many: a line of JSON that says of which parts
and what they took, then a list and a code for each row of the first part, of the next, and so on. A
file is whole or not there: what another job wrote is as good as one's own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clipvec.files import open_regular, write_atomically
from clipvec.index.base import BuildStats
from clipvec.index.faiss.manifest import HeldPart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from clipvec.paths import FaissEncodedPaths

MOST_BYTES = 2**26
"""Of codes in a file, the last part aside: so much is encoded again after a kill."""
_STATS_BYTES = 256


@dataclass(frozen=True)
class Segment:
    """The codes of a part file."""

    part: HeldPart
    path: Path
    offset: int
    """Of the first code, in bytes."""
    stats: BuildStats
    """What it took to encode all of the file."""

    def codes(self, dtype: np.dtype[np.void]) -> np.ndarray:
        """Return lists and codes of its rows, ``dtype`` [N]."""
        return np.fromfile(self.path, dtype, self.part.rows, offset=self.offset)


@dataclass(frozen=True)
class _Head:
    """The first line of a file."""

    parts: Sequence[HeldPart]
    sha256: str
    """Of the codes."""
    size: int
    """Of the line, in bytes."""
    stats: BuildStats


class Segments:
    """The encoded parts of an index that is being built."""

    def __init__(self, files: FaissEncodedPaths, training: str, dtype: np.dtype[np.void]) -> None:
        """Use the folder of a training.

        Args:
            files: of what is encoded by it.
            training: SHA-256 of the index file without rows, by which codes can be read.
            dtype: of one row.
        """
        self._files, self._training, self._dtype = files, training, dtype

    def write(
        self, parts: Sequence[HeldPart], codes: Sequence[np.ndarray], stats: BuildStats
    ) -> list[Segment]:
        """Write the codes of parts of a shard, and what they took, to one file, atomically.

        Raises:
            OSError: they cannot be written.
        """
        data, path = b"".join(each.tobytes() for each in codes), self._files.codes(parts[0].file)
        digest = hashlib.sha256(data).hexdigest()
        about: dict[str, Any] = {"parts": [asdict(part) for part in parts]}
        about |= {"training": self._training, "codes": digest}
        # of one length, so that the codes are where those of another job's file are
        taken = json.dumps(asdict(stats)).ljust(_STATS_BYTES)
        head = f'{json.dumps(about)[:-1]}, "stats": {taken}}}\n'.encode()
        write_atomically(path, head + data)
        return self._segments(path, _Head(parts, digest, len(head), stats))

    def find(self, parts: Iterable[HeldPart], among: Iterable[Path]) -> dict[str, Segment]:
        """Return those of ``parts`` that are in files ``among`` which are whole, by their names.

        A file of which a part is not wanted, as one that changed since, counts as none.
        """
        wanted = set(parts)
        found: dict[str, Segment] = {}
        for path in among:
            segments = self._read(path)
            if wanted.issuperset(segment.part for segment in segments):
                found |= {segment.part.file: segment for segment in segments}
        return found

    def begun(self, parts: Iterable[HeldPart]) -> set[HeldPart]:
        """Return those of ``parts`` that `find` would, by what files say: none is read whole."""
        wanted = set(parts)
        heads = (self._head(path) for path in self._files.all_codes())
        held = (head.parts for head in heads if head and wanted.issuperset(head.parts))
        return {part for parts in held for part in parts}

    def _read(self, path: Path) -> list[Segment]:
        """Return the segments of a file of this training, if every byte is as it was written."""
        head = self._head(path)
        if head is None:
            return []
        try:
            with open_regular(path) as stream:
                stream.seek(head.size)
                seen = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError:
            return []
        return self._segments(path, head) if seen == head.sha256 else []

    def _head(self, path: Path) -> _Head | None:
        """Return what a file of this training says; None: it is none, or of another length."""
        try:
            with open_regular(path) as stream:
                line = stream.readline()
            about = json.loads(line)
            parts = [HeldPart(**part) for part in about["parts"]]
            head = _Head(parts, about["codes"], len(line), BuildStats(**about["stats"]))
            rows = sum(part.rows for part in parts)
            whole = path.stat().st_size == len(line) + rows * self._dtype.itemsize
            return head if whole and about["training"] == self._training else None
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def _segments(self, path: Path, head: _Head) -> list[Segment]:
        ends = np.cumsum([part.rows for part in head.parts]) * self._dtype.itemsize + head.size
        starts = [head.size, *ends[:-1].tolist()]
        pairs = zip(head.parts, starts, strict=True)
        return [Segment(part, path, start, head.stats) for part, start in pairs]
