"""The sources of a dataset: its files in order, each with what shows that it has changed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from clipvec.data.files import Source
from clipvec.errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

log = logging.getLogger(__name__)
_BATCH = 2**16
_PLACE = b"place"
_UNDIVIDED = b"undivided"


class ListedSource(NamedTuple):
    """A file of a dataset, as it was when it was listed."""

    name: str
    """Relative to the dataset; bytes that are not UTF-8 as `os.fsdecode` gives them."""
    size: int | None
    """Bytes; None: not known."""
    version: str | None
    """Another one where the content may be another: an etag, or the time of the last change."""
    detail: str | None = None
    """What else its records depend on, for the dataset that listed it."""


@dataclass(frozen=True)
class Listing:
    """The sources of a dataset in its order, as a table that a store can keep."""

    table: pa.Table
    """Columns ``name`` (binary), ``size`` (int64), ``version`` and ``detail`` (string); in its
    metadata the place."""
    complete: bool = True
    """False: folders could not be listed, so that what is missing may still be there."""

    @classmethod
    def of(
        cls,
        sources: Iterable[ListedSource],
        complete: bool = True,
        place: str = "",
        undivided: bool = False,
    ) -> Listing:
        """Return sources as a table, the folder that they were listed in, and `undivided`."""
        import pyarrow as pa

        schema = pa.schema(
            [
                pa.field("name", pa.binary(), nullable=False),
                pa.field("size", pa.int64()),
                pa.field("version", pa.string()),
                pa.field("detail", pa.string()),
            ],
            {_PLACE: place} | ({_UNDIVIDED: "true"} if undivided else {}),
        )
        batches, every = [], iter(sources)
        while some := list(islice(every, _BATCH)):  # as objects, they take ten times the memory
            names, *others = zip(*some, strict=True)
            columns = [[name.encode("utf-8", "surrogatepass") for name in names], *others]
            batches.append(pa.record_batch(columns, schema=schema))
        return cls(pa.Table.from_batches(batches, schema), complete)

    @property
    def place(self) -> str:
        """The folder that the sources were listed in; empty: not known, or not one folder."""
        return self._metadata.get(_PLACE, b"").decode("utf-8", "replace")

    @property
    def undivided(self) -> bool:
        """Whether one source stands for all files, of which no row tells from which it is."""
        return _UNDIVIDED in self._metadata

    @property
    def _metadata(self) -> dict[bytes, bytes]:
        return self.table.schema.metadata or {}

    def __len__(self) -> int:
        return len(self.table)

    def names(self) -> list[str]:
        """Return the name of each source."""
        return [name.decode("utf-8", "surrogatepass") for name in self.column("name")]

    def column(self, name: str) -> list[Any]:
        """Return the values of a column."""
        values: list[Any] = self.table[name].to_pylist()
        return values


def of_files(
    sources: Sequence[Source], place: str = "", detail: str | None = None, undivided: bool = False
) -> Listing:
    """Return the listing of files that hold records, and where they were listed.

    Args:
        sources: the files.
        place: as in `Listing`.
        detail: of each, as in `ListedSource`.
        undivided: as in `Listing`.
    """
    listed = (ListedSource(s.name, s.size, s.version, detail) for s in sources)
    return Listing.of(listed, place=place, undivided=undivided)


def choose(sources: Sequence[Source], listing: Listing) -> tuple[Source, ...]:
    """Return the files of a listing, as they are now; one that is gone has no record."""
    known = {source.name: source for source in sources}
    names = listing.names()
    if gone := [name for name in names if name not in known]:
        log.warning(
            "%s (%d of %d files to embed) is no longer in the dataset, and left out",
            *(printable(gone[0]), len(gone), len(names)),
        )
    return tuple(known.get(name) or Source("", name, name, None, gone=True) for name in names)
