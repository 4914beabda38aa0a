"""``index.json``: what an index is, where its files are, and which parts of the store it holds.

Replacing it publishes another build of the index: all else lies in a folder of that build's own.
"""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from clipvec.errors import CollectionError, SchemaError
from clipvec.files import from_json, read_regular, size_and_sha256, to_json, write_atomically
from clipvec.index.backend import LedgerEntry
from clipvec.index.base import BuildStats, IndexInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from clipvec.store import LivePart

SCHEMA = 3
REBUILD = "build it again with clipvec index index=faiss --rebuild"


@dataclass(frozen=True)
class HeldPart:
    """A part file of the store in an index, whose rows follow those of the part before it."""

    file: str
    sha256: str
    deletions: str
    rows: int

    @classmethod
    def of(cls, part: LivePart) -> HeldPart:
        """Return what an index says of a part."""
        return cls(part.file, part.sha256, part.deletions, part.rows)

    @property
    def entry(self) -> LedgerEntry:
        """What the ledger says of it."""
        return LedgerEntry(self.sha256, "loaded", self.deletions)


@dataclass(frozen=True)
class Manifest:
    """What ``index.json`` says."""

    info: str
    """`IndexInfo.to_json`."""
    factory: str
    """FAISS factory string."""
    parts: Sequence[HeldPart]
    files: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Size in bytes and SHA-256 of each of FAISS's files."""
    build_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """A different text for every build, and the name of its folder."""
    search: Mapping[str, int] = field(default_factory=dict)
    """Search settings that were set on this index."""
    build_stats: BuildStats | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return sum(part.rows for part in self.parts)

    def write(self, file: Path) -> None:
        """Write it, atomically."""
        write_atomically(file, to_json(asdict(self), SCHEMA, sealed=True))

    @classmethod
    def read(cls, file: Path) -> Manifest:
        """Return what `write` wrote.

        Raises:
            SchemaError: another version of clipvec wrote it.
            CollectionError: it cannot be read, or clipvec did not write it.
        """
        try:
            values = from_json(read_regular(file), SCHEMA, file, REBUILD, sealed=True)
            parts = [HeldPart(**part) for part in values.pop("parts")]
            stats = values.pop("build_stats")
            known = cls(**values, parts=parts, build_stats=BuildStats(**stats) if stats else None)
        except SchemaError:
            raise
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CollectionError(f"{file} cannot be read ({error}); {REBUILD}") from error
        return known

    def index_info(self, location: str) -> IndexInfo:
        """Return what the index at ``location`` says of its origin."""
        try:
            return IndexInfo.from_json(self.info, location)
        except (ValueError, KeyError, TypeError) as error:
            raise CollectionError(f"{location} is damaged ({error!r}); {REBUILD}") from error

    def with_files(self, *files: Path) -> Manifest:
        """Return it with the sizes and checksums of files."""
        return replace(self, files={file.name: size_and_sha256(file) for file in files})

    def check(self, *files: Path) -> None:
        """Compare files of FAISS's with their checksums, before FAISS reads them.

        Raises:
            CollectionError: one is gone, cut off or changed.
        """
        for file in files:
            known = self.files[file.name]
            try:
                same = file.stat().st_size == known[0] and size_and_sha256(file) == [*known]
            except OSError as error:
                raise CollectionError(f"{file} cannot be read ({error}); {REBUILD}") from error
            if not same:
                raise CollectionError(
                    f"{file} is not what clipvec index wrote, or was cut off; {REBUILD}"
                )
