"""What a dataset yields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clipvec.config import Attributes
    from clipvec.data.listing import Listing

Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Record:
    """One encoded image and its metadata."""

    id: str
    """Unique in the dataset, and the same in every run."""
    uri: str
    """Location of the image; ``#`` precedes the record of a tar, or the row with the image."""
    image: bytes
    """The encoded file (JPEG, PNG, ...)."""
    caption: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)
    """One value for each of the dataset's attributes, of the attribute's type."""
    source: int = 0
    """Number of the source that it is in, see `clipvec.data.listing`."""


@dataclass(frozen=True, slots=True)
class Reject:
    """An item that should have been an image and cannot be embedded."""

    id: str
    uri: str
    reason: str
    """One line for the user."""
    error: str
    """Class of the error, for counting."""


class Cursor(NamedTuple):
    """A position in a dataset, for formats that cannot find an item by its number."""

    file: str
    """URL of the file that holds the last processed item, see `file_of`."""
    items: int
    """Number of processed items of that file, within the shard."""


def file_of(uri: str) -> str:
    """Return the URL of the file that holds the item at ``uri``: everything before the last ``#``.

    Readers that need a `Cursor` escape a ``#`` in the item's own name as ``%23``.
    """
    return uri.rpartition("#")[0] or uri


class Dataset(Protocol):
    """Images split into shards, each image in exactly one shard."""

    attributes: Attributes

    def identity(self) -> dict[str, str | int | None]:
        """Return what identifies the content: kind, number of sources, digest of the listing."""
        ...

    def num_items(self, shard: int, count: int) -> int | None:
        """Return how many items `records` yields, or None if that requires reading the data.

        Raises:
            ConfigError: the dataset cannot be cut into ``count`` shards.
            DatasetError: a source cannot be opened.
        """
        ...

    def records(
        self, shard: int, count: int, start: int = 0, cursor: Cursor | None = None
    ) -> Iterator[Record | Reject]:
        """Yield the items of shard ``shard`` of ``count`` from position ``start`` on.

        The order is the same in every run. Items before ``start`` are not read. If the format
        cannot find an item by its number, ``cursor`` locates it; without a cursor the earlier
        items are skipped one by one.

        Raises:
            ConfigError: the dataset cannot be cut into ``count`` shards.
            DatasetError: a source cannot be opened.
        """
        ...


class GrowingDataset(Dataset, Protocol):
    """A dataset of which a store can embed what is new, see `DatasetKind.grows`."""

    def listing(self) -> Listing:
        """Return its sources, whose records are its records, in this order."""
        ...

    def has_whole_sources(self, shard: int, count: int) -> bool:
        """Return whether a shard is whole sources, not ranges of their items."""
        ...

    def records_of(self, sources: range) -> Iterator[Record | Reject]:
        """Yield all items of sources, as `records` does."""
        ...


class WholeDataset(Dataset, Protocol):
    """A dataset as its reader returns it, before any limit."""

    @property
    def files(self) -> int:
        """Largest number of shards that are whole files each; 1 if shards are record ranges.

        With that many shards, shard k is file k.
        """
        ...
