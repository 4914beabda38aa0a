"""What a dataset yields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from clipvec.config import Attributes

Value: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Record:
    """One image, still encoded, and what is known of it."""

    id: str
    """Unique in the dataset and the same in every run."""
    uri: str
    """Where the image lies; after ``#`` the record of a tar, or the row that holds the image."""
    image: bytes
    """The encoded file (JPEG, PNG, ...)."""
    caption: str | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)
    """One value for each of the dataset's attributes, of the attribute's type."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Something that should have been an image and cannot be embedded."""

    id: str
    uri: str
    reason: str
    """One line for a reader."""
    error: str
    """Class of the error, for counting."""


class Cursor(NamedTuple):
    """Where in a dataset one stopped, for formats that cannot find an item by its number."""

    file: str
    """URL of the file that the last item dealt with lies in, see `file_of`."""
    items: int
    """Items of that file, within the shard, that are dealt with."""


def file_of(uri: str) -> str:
    """Return the URL of the file that holds the item at ``uri``: all before the last ``#``.

    A ``#`` in the item's own name is written ``%23`` by those who need a `Cursor`.
    """
    return uri.rpartition("#")[0] or uri


class Dataset(Protocol):
    """Images cut into shards, every one of them in exactly one shard."""

    attributes: Attributes

    def identity(self) -> dict[str, str | int | None]:
        """Return what the content is known by: kind, number of sources, digest of the listing."""
        ...

    def num_items(self, shard: int, count: int) -> int | None:
        """Return how many items `records` yields, or None where only reading would tell.

        Raises:
            ConfigError: the dataset cannot be cut into ``count`` shards.
            DatasetError: a source cannot be opened.
        """
        ...

    def records(
        self, shard: int, count: int, start: int = 0, cursor: Cursor | None = None
    ) -> Iterator[Record | Reject]:
        """Yield the items of shard ``shard`` of ``count`` from position ``start`` on.

        The order is the same in every run. What precedes ``start`` is not read; where the format
        cannot find it by its number, ``cursor`` says where it is, and without it what precedes it
        is stepped over.

        Raises:
            ConfigError: the dataset cannot be cut into ``count`` shards.
            DatasetError: a source cannot be opened.
        """
        ...


class WholeDataset(Dataset, Protocol):
    """A dataset as a reader of its kind gives it, before any limit."""

    @property
    def files(self) -> int:
        """The shards up to which each is whole files; 1 where they are ranges of all records.

        Of so many shards, shard k is file k.
        """
        ...
